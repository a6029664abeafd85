"""From named corpora to the files of an experiment: who is in, who is left out, and that the labels are hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import prepare


def sentence(number: int) -> str:
    return f"Ann{number}\tB-PER\nsaw\tO\nBonn\tB-LOC\n\n"


@pytest.fixture
def settings(tmp_path: Path) -> ExperimentSettings:
    # evaluation 0-9; training 5-49, so that 5-9 stand on both sides
    (tmp_path / "dev.conll").write_text("".join(map(sentence, range(10))))
    (tmp_path / "train.conll").write_text("".join(map(sentence, range(5, 50))))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Ann7 saw Bonn\nIt rained there.\n")
    return ExperimentSettings.model_validate(
        {
            "name": "e",
            "output": tmp_path / "out",
            "data_root": tmp_path,
            "student": tmp_path,
            "annotator": {
                "name": "a",
                "engine": {"kind": "replay", "answers": "answers.jsonl"},
                "labels": {"PER": "people", "LOC": "places"},
            },
            "original": {"corpus": {"path": "train.conll"}, "sizes": [5, 10]},
            "distilled": [
                {"name": "news", "corpus": {"path": "train.conll"}, "sample": 20},
                {"name": "texts", "corpus": {"path": "texts"}},
            ],
            "evaluation": {"path": "dev.conll"},
            "regimens": ["mixed"],
        }
    )


def texts(path: Path) -> set[str]:
    return {document.text for document in read_documents(path)}


def test_sources_share_no_text_and_subsets_nest(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    small, large = texts(folder.original(5)), texts(folder.original(10))
    news = texts(folder.unlabelled("news"))
    evaluation = texts(folder.evaluation)
    assert (len(small), len(large), len(news), len(evaluation)) == (5, 10, 20, 10)
    assert small < large
    assert not large & evaluation
    assert not news & (large | evaluation)
    assert report["original"]["also_in_evaluation"] == [f"train:{number}" for number in range(5)]
    assert len(report["distilled"]["news"]["also_in_original"]) == 10
    assert report["distilled"]["news"]["excluded"] == 15
    # running text is compared without regard to tokens; its other sentence stays
    assert texts(folder.unlabelled("texts")) == {"It rained there."}


def test_labels_are_hidden_from_the_annotator_and_kept_for_its_score(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    shown = list(read_documents(folder.unlabelled("news")))
    hidden = list(read_documents(folder.hidden("news")))
    assert not any(document.spans for document in shown)
    assert all(len(document.spans) == 2 for document in hidden)
    assert [document.id for document in shown] == [document.id for document in hidden]
    assert all(document.id.startswith("news/train:") for document in shown)
    assert not folder.hidden("texts").exists()


def test_duplicates_can_be_allowed_and_are_counted_all_the_same(settings: ExperimentSettings) -> None:
    allowed = settings.model_copy(
        update={"exclude_duplicates": False, "original": settings.original.model_copy(update={"sizes": (45,)})}
    )
    report = prepare(allowed, RunFolder(settings.output))
    assert (report["original"]["excluded"], len(report["original"]["also_in_evaluation"])) == (0, 5)


def test_a_second_call_writes_nothing(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    first = prepare(settings, folder)
    times = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")}
    assert prepare(settings, folder) == first
    assert {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")} == times


def test_other_sizes_or_changed_files_are_refused(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings.model_copy(update={"sample_seed": 1}), folder)
    with (settings.data_root / "train.conll").open("a") as stream:
        stream.write(sentence(50))
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings, folder)


def test_prepared_files_do_without_the_corpora_they_came_from(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    elsewhere = settings.model_copy(update={"data_root": settings.data_root / "not_there"})
    assert prepare(elsewhere, folder) == report


def test_a_corpus_that_is_gone_does_not_hide_another_that_changed(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    (settings.data_root / "texts" / "a.txt").unlink()
    (settings.data_root / "texts").rmdir()
    prepare(settings, folder)
    with (settings.data_root / "dev.conll").open("a") as stream:
        stream.write(sentence(50))
    with pytest.raises(InputError, match="a corpus has changed since"):
        prepare(settings, folder)


def test_two_regimens_of_one_name_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(ValidationError, match="two regimens have the same name"):
        ExperimentSettings.model_validate({**settings.model_dump(), "regimens": ["mixed", "my/mixed.yaml"]})


def test_an_unreadable_source_leaves_nothing_behind(settings: ExperimentSettings) -> None:
    (settings.data_root / "texts" / "b.txt").write_bytes(b"\xa3")
    with pytest.raises(InputError, match=r"b\.txt:1: byte 0xa3 at offset 0 is not utf-8"):
        prepare(settings, RunFolder(settings.output))
    assert list(settings.output.iterdir()) == []


def test_too_few_sentences_are_refused_and_nothing_says_it_is_done(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    many = settings.model_copy(update={"original": settings.original.model_copy(update={"sizes": (41,)})})
    with pytest.raises(InputError, match=r"train\.conll: original\.sizes: a subset of 41 .* but there are 40"):
        prepare(many, folder)
    assert list(folder.root.iterdir()) == []


def test_an_undeclared_label_is_named_with_its_line(settings: ExperimentSettings) -> None:
    (settings.data_root / "train.conll").write_text(sentence(1) + sentence(2).replace("LOC", "CITY"))
    with pytest.raises(InputError, match=r"train\.conll:7: label 'CITY' of 'Bonn'"):
        prepare(settings, RunFolder(settings.output))
