"""Courses are what the ledgers say, and stay so when they are kept small."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.courses import COURSE, Course, courses_of, read_course, write_course
from nerkd_local.evidence.run import open_run
from nerkd_local.files import write_json_lines
from tests.evidence.runs import write_run

SCHEDULE = {"name": "half", "schedule": {"shape": "constant", "share": 0.5}}


def source(ids: list[str], loss: float | None, words: int = 9) -> dict[str, object]:
    return {"ids": ids, "words": words if ids else 0, "tokens": 2 * words if ids else 0, "loss": loss}


ROWS = [
    {"step": 0, "learning_rate": 0.1, "original": source([], None), "distilled": source(["a", "b"], 2.0)},
    {"step": 1, "learning_rate": 0.05, "original": source(["x"], 1.5), "distilled": source(["a"], 0.1 + 0.2)},
]


def write_student(folder: Path, *, plan: bool = True, scored: bool = True) -> Path:
    write_json_lines(folder / "exposure.jsonl", ROWS)
    if plan:
        write_json_lines(folder / "plan.jsonl", [{"regimen": SCHEDULE}])
    if scored:
        write_json_lines(folder / "evaluations.jsonl", [{"step": 1, "precision": 0.25, "recall": 0.5, "f1": 1 / 3}])
    return folder


def assert_equal(one: Course, other: Course) -> None:
    for field in fields(Course):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        np.testing.assert_array_equal(mine, theirs)
        assert mine is None or mine.dtype == theirs.dtype


def test_a_course_is_what_the_ledger_says(tmp_path: Path) -> None:
    course = read_course(write_student(tmp_path))
    assert course is not None
    assert course.examples.tolist() == [[0, 2], [1, 1]]
    assert course.words.tolist() == [[0, 9], [9, 9]]
    assert course.tokens.tolist() == [[0, 18], [18, 18]]
    assert course.learning_rate.tolist() == pytest.approx([0.1, 0.05])
    np.testing.assert_array_equal(course.loss, np.array([[np.nan, 2.0], [1.5, 0.3]], np.float32))
    assert course.share.tolist() == [1.0, 0.5]
    assert course.exposure == 0.75
    assert course.planned is not None
    assert course.planned.tolist() == [0.5, 0.5]
    assert course.planned_exposure == 0.5
    assert course.evaluated.tolist() == [1]
    np.testing.assert_array_equal(course.scores, np.array([[0.25, 0.5, 1 / 3]], np.float32))


@pytest.mark.parametrize("known", [True, False])
def test_a_kept_course_is_the_same_to_the_bit_without_ids_or_text(tmp_path: Path, known: bool) -> None:
    course = read_course(write_student(tmp_path / "run", plan=known, scored=known))
    assert course is not None
    assert (course.planned is None) is not known
    for name in ("one", "other"):
        write_course(course, tmp_path / name / COURSE)
    content = (tmp_path / "one" / COURSE).read_bytes()
    assert content == (tmp_path / "other" / COURSE).read_bytes()
    with np.load(tmp_path / "one" / COURSE, allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} == {"f", "u", "U"}
        assert [name for name in arrays.files if arrays[name].dtype.kind == "U"] == ["version"]
    kept = read_course(tmp_path / "one")
    assert kept is not None
    assert_equal(kept, course)


def test_large_counts_are_kept(tmp_path: Path) -> None:
    write_json_lines(tmp_path / "exposure.jsonl", [{**ROWS[0], "distilled": source(["a"], 1.0, words=70_000)}])
    course = read_course(tmp_path)
    assert course is not None
    write_course(course, tmp_path / "kept" / COURSE)
    kept = read_course(tmp_path / "kept")
    assert kept is not None
    assert kept.words.tolist() == [[0, 70_000]]


def test_a_folder_with_neither_has_no_course(tmp_path: Path) -> None:
    assert read_course(tmp_path) is None


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([{**ROWS[0], "step": 1}], 1),
        ([ROWS[0], {**ROWS[1], "step": 2}], 2),
        ([{"step": 0}], 1),
        ([{**ROWS[0], "original": []}], 1),
        ([{**ROWS[0], "learning_rate": "fast"}], 1),
        ([{**ROWS[0], "distilled": {**source(["a"], 1.0), "words": None}}], 1),
    ],
)
def test_a_damaged_ledger_is_named_with_its_line(tmp_path: Path, rows: list[dict[str, object]], line: int) -> None:
    write_json_lines(tmp_path / "exposure.jsonl", rows)
    with pytest.raises(InputError, match=rf"exposure\.jsonl:{line}: is not step"):
        read_course(tmp_path)


def test_an_empty_ledger_a_plan_of_nothing_and_a_foreign_log_are_refused(tmp_path: Path) -> None:
    (tmp_path / "exposure.jsonl").touch()
    with pytest.raises(InputError, match="holds no step"):
        read_course(tmp_path)
    write_student(tmp_path)
    (tmp_path / "plan.jsonl").write_text('{"regimen": {"name": "x"}}\n')
    with pytest.raises(InputError, match=r"plan\.jsonl:1: names no regimen"):
        read_course(tmp_path)
    write_student(tmp_path)
    (tmp_path / "evaluations.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(InputError, match=r"evaluations\.jsonl: is no log"):
        read_course(tmp_path)


def test_a_damaged_or_unknown_kept_course_is_refused(tmp_path: Path) -> None:
    course = read_course(write_student(tmp_path / "run"))
    assert course is not None
    path = tmp_path / COURSE
    write_course(course, path)
    with np.load(path, allow_pickle=False) as arrays:
        good = {name: arrays[name] for name in arrays.files}
    for name, value in (
        ("examples", good["examples"][:1]),
        ("scores", np.zeros((3, 3), np.float32)),
        ("planned", np.zeros(7, np.float32)),
    ):
        np.savez(path, allow_pickle=False, **{**good, name: value})
        with pytest.raises(InputError, match="is no kept course"):
            read_course(tmp_path)
    np.savez(path, allow_pickle=False, **{name: value for name, value in good.items() if name != "words"})
    with pytest.raises(InputError, match="is no kept course"):
        read_course(tmp_path)
    np.savez(path, allow_pickle=False, **{**good, "version": np.array("nerkd course 9")})
    with pytest.raises(InputError, match="is not of the kind"):
        read_course(tmp_path)
    path.write_bytes(b"PK\x03\x04 but no archive")
    with pytest.raises(InputError, match="is no kept course"):
        read_course(tmp_path)


def test_a_student_that_was_not_trained_again_has_its_twins_course(tmp_path: Path) -> None:
    settings = write_run(tmp_path, regimens=("original_only", "linear"), sizes=(10,), seeds=(0,))
    run = open_run(settings.output)
    (name,) = [name for name in run.results if name.startswith("linear")]
    twin = run.folder.student("linear-n10-news-seed1")
    twin.mkdir()
    result = run.folder.student(name) / "result.json"
    (twin / "result.json").write_text(result.read_text())
    lone = {**json.loads(result.read_text()), "made_from": {"training": {"plan": "another"}, "evaluation": {}}}
    folder = run.folder.student("linear-n10-news-seed2")
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(lone))
    results = {**run.results, twin.name: json.loads(result.read_text()), folder.name: lone}
    found = courses_of(type(run)(run.settings, run.folder, results))
    assert found[twin.name] is found[name]
    assert folder.name not in found
    assert found.keys() == {*run.results, twin.name}
