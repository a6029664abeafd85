"""What students found, read from their predictions and from the small file without text: both tell the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.errors import InputError
from nerkd_local.evaluate.spans import SpanTable
from nerkd_local.evidence.predictions import KEPT, has_spans, line_spans, read_spans, write_spans
from nerkd_local.evidence.run import Run, open_run
from tests.evidence.runs import write_run

NAME = "simple_mix-n10-news-seed0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return write_run(root, sizes=(10,), seeds=(0, 1), regimens=("original_only", "simple_mix")).output


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    """A copy, to be damaged at will."""
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


def same(a: SpanTable, b: SpanTable) -> bool:
    columns = ("sentence", "start", "end", "label", "confidence")
    return (a.labels, a.sentences) == (b.labels, b.sentences) and all(
        np.array_equal(getattr(a, column), getattr(b, column)) for column in columns
    )


def predictions(run: Run) -> Path:
    return run.folder.student(NAME) / "predictions-evaluation.jsonl"


def read(run: Run) -> SpanTable:
    return read_spans(run.folder, NAME, "evaluation", run.results[NAME])


def keep(run: Run) -> Path:
    path = run.folder.student(NAME) / KEPT
    write_spans(run.folder, NAME, run.results[NAME], path)
    predictions(run).unlink()
    return path


def test_mentions_are_those_of_the_file(run: Run) -> None:
    table = read(run)
    line = json.loads(predictions(run).read_text().splitlines()[int(table.sentence[0])])
    (start, end, label), *_ = line["spans"]
    assert line["tokens"][table.start[0]][0] == start
    assert line["tokens"][table.end[0] - 1][1] == end
    assert table.labels[table.label[0]] == label
    assert table.confidence[0] == pytest.approx(line["meta"]["confidences"][0], abs=0.0025)
    assert table.sentences == 40


def test_what_is_kept_without_text_is_the_same(run: Run) -> None:
    before = read(run)
    keep(run)
    assert same(read(run), before)


def test_the_same_bytes_for_the_same_predictions(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_spans(run.folder, NAME, run.results[NAME], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_mentions_without_confidences(run: Run) -> None:
    rows = [json.loads(line) for line in predictions(run).read_text().splitlines()]
    for row in rows:
        del row["meta"]["confidences"]
    predictions(run).write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = read(run)
    assert np.isnan(before.confidence).all()
    keep(run)
    after = read(run)
    assert np.isnan(after.confidence).all()
    assert np.array_equal(after.start, before.start)


def test_a_line_s_students_and_what_was_not_kept(run: Run) -> None:
    line = next(line for line in run.lines if line.regimen == "simple_mix")
    found = line_spans(run, line)
    assert sorted(found.by_seed) == [0, 1]
    assert found.not_kept == ()
    predictions(run).unlink()
    assert not has_spans(run.folder, NAME, "evaluation")
    found = line_spans(run, line)
    assert sorted(found.by_seed) == [1]
    assert found.not_kept == (NAME,)


def test_with_folds_a_seed_s_sentences_are_those_of_its_counts(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, sizes=(20,), seeds=(0,), more={"folds": {"count": 3, "nested": False}}).output)
    for line in run.lines:
        table = line_spans(run, line).by_seed[0]
        counts = run.counts(line)[0]
        assert np.array_equal(np.bincount(table.sentence, minlength=table.sentences), counts[:, 1])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("{", "is no line of a student's predictions"),
        ("[]", "is no line of a student's predictions"),
        ('{"id": "x"}', "KeyError"),
        ('{"meta": {"tags": 3}}', "TypeError"),
        ('{"meta": {"tags": ["B-PER"], "confidences": [2]}}', "a confidence of 2"),
        ('{"meta": {"tags": ["B-PER"], "confidences": [NaN]}}', "a confidence of nan"),
        ('{"meta": {"tags": ["B-PER"], "confidences": []}}', "0 confidences for 1 mentions"),
        ('{"meta": {"tags": ["B-PER", "B-PER", "B-PER", "B-PER", "B-PER", "B-PER"]}}', "counts.npz"),
    ],
)
def test_a_damaged_line_is_named(run: Run, damage: str, problem: str) -> None:
    lines = predictions(run).read_text().splitlines()
    lines[2] = damage
    predictions(run).write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=problem) as caught:
        read(run)
    assert (caught.value.path, caught.value.line) == (predictions(run), 3)


def test_missing_and_surplus_sentences(run: Run) -> None:
    text = predictions(run).read_text()
    predictions(run).write_text("".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="ends after 39 of 40 sentences"):
        read(run)
    predictions(run).write_text(text + text)
    with pytest.raises(InputError, match=r"counts\.npz") as caught:
        read(run)
    assert caught.value.line == 41


def test_a_kept_file_of_another_student(run: Run) -> None:
    path = keep(run)
    other = {**run.results[NAME], "made_from": {"training": {}, "evaluation": {}}}
    with pytest.raises(InputError, match="of another student"):
        read_spans(run.folder, NAME, "evaluation", other)
    with pytest.raises(InputError, match="fold7"):
        read_spans(run.folder, NAME, "fold7", run.results[NAME])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"spans\.npz: cannot be read"):
        read(run)


@pytest.mark.parametrize(
    ("column", "change", "problem"),
    [
        ("evaluation.start", lambda values: values[:-1], "do not fit together"),
        ("evaluation.label", lambda values: values + 9, "do not fit together"),
        ("evaluation.length", lambda values: values * 0, "do not fit together"),
        ("evaluation.confidence", lambda values: values * 0 + 255, "do not fit together"),
        ("evaluation.mentions", lambda values: values[::-1], "does not fit the student's counts.npz"),
        ("format", lambda values: np.array("nerkd spans 9"), "is not in the format"),
    ],
)
def test_a_damaged_kept_file(run: Run, column: str, change: object, problem: str) -> None:
    path = keep(run)
    with np.load(path) as arrays:
        content = dict(arrays)
    content[column] = change(content[column])  # type: ignore[operator]
    np.savez_compressed(path, **content)
    with pytest.raises(InputError, match=problem):
        read(run)
