"""Settings and records of a run whose texts stay: no example, no id."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.bundle.export.treatment import numbered_sentences, without_texts
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.folder import RunFolder
from tests.evidence.runs import run_settings


def test_settings_lose_examples_and_ids_of_every_annotator(tmp_path: Path) -> None:
    label = {"definition": "people", "examples": ["Anna", "Ben"], "excludes": "not their titles"}
    annotator = {
        "name": "one",
        "engine": {"kind": "replay", "answers": tmp_path / "answers.jsonl"},
        "labels": {"PER": label, "LOC": "places"},
    }
    more = {
        "annotator": annotator,
        "other_annotators": {"two": annotator | {"name": "two"}},
        "allowed_duplicates": ["letters/anna"],
    }
    settings = run_settings(tmp_path, regimens=["linear"], sizes=[10], seeds=[0], more=more)
    run = Run(settings, RunFolder(tmp_path), {})
    stripped = without_texts(run).settings
    assert "Anna" in settings.model_dump_json()
    assert "nna" not in stripped.model_dump_json()
    assert "Ben" not in stripped.model_dump_json()
    for each in (stripped.annotator, stripped.other_annotators["two"]):
        assert each.labels["PER"].definition == "people"
        assert each.labels["PER"].excludes == "not their titles"
        assert list(each.labels) == ["PER", "LOC"]
    assert stripped.original == settings.original
    assert run.settings is settings


def test_settings_lose_the_names_of_texts_wherever_a_corpus_is_described(tmp_path: Path) -> None:
    corpus = {"path": "texts", "encodings": {"letters of anna*": "latin-1"}}
    annotator = {
        "name": "fake",
        "engine": {"kind": "scripted", "dies_on": "anna"},
        "labels": {"PER": "people"},
    }
    more = {
        "annotator": annotator,
        "original": {"corpus": corpus, "sizes": [10]},
        "distilled": [{"name": "news", "corpus": corpus}],
        "evaluation": corpus,
        "annotator_study": {"corpus": corpus},
    }
    settings = run_settings(tmp_path, regimens=["linear"], sizes=[10], seeds=[0], more=more)
    stripped = without_texts(Run(settings, RunFolder(tmp_path), {})).settings
    assert settings.model_dump_json().count("anna") == 5
    assert "anna" not in stripped.model_dump_json()
    assert stripped.evaluation is not None
    assert stripped.evaluation.path == Path("texts")
    told = {"made_from": {"settings": settings.model_dump(mode="json", include={"original", "distilled"})}}
    assert "anna" in str(told)
    assert "anna" not in str(numbered_sentences(told))


def test_ids_become_numbers_the_same_wherever_they_stand() -> None:
    report = {
        "evaluation": {"sentences": 600},
        "original": {"sizes": [60], "also_in_evaluation": ["anna"], "repeated": ["ben", "anna"], "duplicates": []},
        "distilled": {
            "news": {
                "also_in_original": ["ben"],
                "duplicates": [{"id": "cleo", "of": "anna", "among": "evaluation", "exact": True, "similarity": 1.0}],
            }
        },
        "made_from": {"settings": {"allowed_duplicates": ["cleo"], "labels": ["LOC"]}, "content": ["ff", None]},
    }
    assert numbered_sentences(report) == {
        "evaluation": {"sentences": 600},
        "original": {
            "sizes": [60],
            "also_in_evaluation": ["sentence 1"],
            "repeated": ["sentence 2", "sentence 1"],
            "duplicates": [],
        },
        "distilled": {
            "news": {
                "also_in_original": ["sentence 2"],
                "duplicates": [
                    {"id": "sentence 3", "of": "sentence 1", "among": "evaluation", "exact": True, "similarity": 1.0}
                ],
            }
        },
        "made_from": {"settings": {"allowed_duplicates": ["sentence 3"], "labels": ["LOC"]}, "content": ["ff", None]},
    }


@pytest.mark.parametrize("of", [None, "anna"])
def test_a_row_of_an_earlier_version_may_not_say_of_what_it_is_a_copy(of: str | None) -> None:
    rows = numbered_sentences({"duplicates": [{"id": "anna", "of": of}]})["duplicates"]
    assert rows == [{"id": "sentence 1", "of": of and "sentence 1"}]
