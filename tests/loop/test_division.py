"""Who learns and who measures: whole documents, no text on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.loop.division import divide
from nerkd_local.loop.settings import LoopSettings
from nerkd_local.records import Document, Span, from_words


def write(path: Path, documents: list[Document]) -> LoopSettings:
    write_documents(path, documents)
    return LoopSettings.model_validate(
        {
            "name": "n",
            "output": path.parent,
            "corpus": {"path": path},
            "original": {"path": path},
            "annotator": {"name": "a", "engine": {"kind": "scripted"}, "labels": {"PER": "people"}},
            "student": path.parent,
        }
    )


def sentence(number: int, document: str, label: str = "PER") -> Document:
    return from_words(f"s{number}", ["Ann", f"x{number}"], (Span(0, 3, label),), {"document": document})


def test_the_slice_is_whole_documents_of_about_the_share(tmp_path: Path) -> None:
    settings = write(tmp_path / "all.jsonl", [sentence(number, f"d{number // 5}") for number in range(100)])
    original, evaluation, said = divide(settings, tmp_path / "given")
    sides = [{d.id: d.meta["document"] for d in read_documents(path)} for path in (original, evaluation)]
    assert (len(sides[0]), len(sides[1])) == (70, 30)
    assert set(sides[0].values()).isdisjoint(sides[1].values())
    assert said.startswith("70 human-labelled sentences to learn from, 30 to measure gains on; 0 stand in both")
    before = [path.read_bytes() for path in (original, evaluation)]
    divide(settings, tmp_path / "given")
    assert [path.read_bytes() for path in (original, evaluation)] == before
    divide(settings.model_copy(update={"sample_seed": 1}), tmp_path / "given")
    assert [path.read_bytes() for path in (original, evaluation)] != before


def test_a_text_of_the_slice_is_not_learned_from(tmp_path: Path) -> None:
    settings = write(tmp_path / "all.jsonl", [sentence(number, f"d{number}") for number in range(4)])
    same = from_words("other", ["Ann", "x2"], (), {"document": "e"})
    write_documents(tmp_path / "slice.jsonl", [same])
    given = settings.model_validate({**settings.model_dump(), "evaluation": {"path": tmp_path / "slice.jsonl"}})
    original, evaluation, said = divide(given, tmp_path / "given")
    assert [d.id for d in read_documents(original)] == ["s0", "s1", "s3"]
    assert [d.id for d in read_documents(evaluation)] == ["other"]
    assert "1 stand in both" in said


@pytest.mark.parametrize(("allow", "learned"), [(False, ["s0"]), (True, ["s0", "near"])])
def test_a_near_copy_of_the_slice_is_left_out_or_allowed(allow: bool, learned: list[str], tmp_path: Path) -> None:
    long = ["Ann", "walked", "along", "the", "river", "to", "the", "old", "mill"]
    near = from_words("near", [*long, "!"], (Span(0, 3, "PER"),), {"document": "e"})
    settings = write(tmp_path / "all.jsonl", [sentence(0, "d"), near])
    write_documents(tmp_path / "slice.jsonl", [from_words("scored", [*long, "."])])
    changes = {"evaluation": {"path": tmp_path / "slice.jsonl"}, "near_duplicates": {"allow": allow}}
    original, _, said = divide(settings.model_validate({**settings.model_dump(), **changes}), tmp_path / "given")
    assert [d.id for d in read_documents(original)] == learned
    assert said.endswith(
        "0 stand in both and are left out of the first, 1 nearly, and are " + ("allowed" if allow else "left out too")
    )


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ([sentence(0, "d")], "leaves no sentence"),
        ([sentence(0, "d"), sentence(1, "e", "LOC")], "label 'LOC'"),
    ],
)
def test_what_cannot_be_divided_is_refused(documents: list[Document], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        divide(write(tmp_path / "all.jsonl", documents), tmp_path / "given")
