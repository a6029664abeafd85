"""A finished annotation stands on its own, and never for another annotator's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerkd_local.annotate.engines.start import LazyEngine, engine_identity, same_engine
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.settings import AnnotatorSettings, VllmSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import from_words


def settings(answers: Path, **changes: object) -> AnnotatorSettings:
    values = {"name": "a", "engine": {"kind": "replay", "answers": answers}, "labels": {"PER": "people"}}
    return AnnotatorSettings.model_validate(values | changes)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    write_documents(tmp_path / "corpus.jsonl", [from_words("d", ["Ann", "left"])])
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"text": "Ann left", "answer": "PER\tAnn"}) + "\n")
    return path


def annotate(tmp_path: Path, annotator: AnnotatorSettings, *, settled: bool = False) -> dict[str, object]:
    with LazyEngine(annotator.engine) as engine:
        return annotate_folder(tmp_path / "corpus.jsonl", tmp_path / "out", annotator, engine, settled=settled)


def test_a_finished_export_stands_where_the_answers_are_gone(tmp_path: Path, answers: Path) -> None:
    ledger = annotate(tmp_path, settings(answers))
    answers.unlink()
    assert annotate(tmp_path, settings(answers)) == ledger


def test_an_absent_engine_of_another_kind_does_not_take_it_over(tmp_path: Path, answers: Path) -> None:
    annotate(tmp_path, settings(answers))
    with pytest.raises(InputError, match="no such folder"):
        annotate(tmp_path, settings(answers, engine={"kind": "vllm", "model": tmp_path / "absent"}))


def test_an_unfinished_annotation_needs_its_engine(tmp_path: Path, answers: Path) -> None:
    answers.unlink()
    with pytest.raises(InputError, match=r"answers\.jsonl: no such file"):
        annotate(tmp_path, settings(answers))


def test_an_export_that_was_touched_is_made_again_from_the_store(tmp_path: Path, answers: Path) -> None:
    annotate(tmp_path, settings(answers))
    export = tmp_path / "out" / "annotations.jsonl"
    whole = export.read_bytes()
    export.write_bytes(whole[:-20])
    annotate(tmp_path, settings(answers))
    assert export.read_bytes() == whole


def test_labels_that_others_build_on_are_not_replaced(tmp_path: Path, answers: Path) -> None:
    ledger = annotate(tmp_path, settings(answers))
    assert annotate(tmp_path, settings(answers), settled=True) == ledger
    before = (tmp_path / "out" / "annotations.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"annotations\.jsonl: students were trained on these labels"):
        annotate(tmp_path, settings(answers, labels={"PER": "persons"}), settled=True)
    assert (tmp_path / "out" / "annotations.jsonl").read_bytes() == before


def test_engines_differ_by_what_is_known_of_them(tmp_path: Path) -> None:
    absent = VllmSettings(model=tmp_path)
    here = {**engine_identity(absent), "vllm": "vllm 1", "model_sha256": "a"}
    assert same_engine(engine_identity(absent), here)
    assert not same_engine(here, {**here, "model_sha256": "b"})
    assert not same_engine(here, engine_identity(absent.model_copy(update={"dtype": "float16"})))
