"""Slices and errors of chosen lines: against counts made another way, and with differences that were planted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.evaluate.errors import CLASSES
from nerkd_local.evidence.chosen import Chosen, choose_lines
from nerkd_local.evidence.evaluated import read_evaluated, read_found
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.where import Where, error_examples, look_where, mark_survivors, seen_in_training
from nerkd_local.stats.bootstrap import f1_difference, f1_interval
from tests.evidence.runs import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skills = {"original_only": 0.3, "simple_mix": 0.9, "linear": 0.6}
    return write_run(tmp_path_factory.mktemp("made"), sizes=(10,), skills=skills, evaluation=80).output


def chosen(run: Run, size: int = 10) -> Chosen:
    found = choose_lines(run, size)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def run(made: Path) -> Run:
    return open_run(made)


@pytest.fixture(scope="module")
def where(run: Run) -> Where:
    found = look_where(run, chosen(run))
    assert found is not None
    return found


def test_types_are_what_the_scorer_says(run: Run, where: Where) -> None:
    rows = [row for row in where.slices if row.slicing == "type"]
    assert {row.line for row in rows} == {"simple_mix"}
    for row in rows:
        for name, interval in ((row.line, row.f1), (row.reference, row.reference_f1)):
            line = next(line for line in run.lines if line.regimen == name)
            scores = [
                score["f1"]
                for seed in run.seeds(line)
                for score in run.results[line.parts[seed][0][0]]["scores"]["evaluation"]
                if score["type"] == row.slice
            ]
            assert interval.mean == pytest.approx(np.mean(scores))
            assert interval.low <= interval.mean <= interval.high


def test_every_slicing_has_all_entities(where: Where) -> None:
    total = len(where.evaluated.gold)
    for name in ("type", "entity length", "surface form", "sentence length"):
        assert sum(row.entities for row in where.slices if row.slicing == name) == total
    confidence = [row for row in where.slices if row.slicing == "confidence"]
    mine = np.mean([len(table) for table in where.found[1].tables])
    assert sum(row.entities for row in confidence) == pytest.approx(mine)
    assert all(row.precision_only == (row.slicing == "confidence") for row in where.slices)


def test_a_slice_has_the_numbers_of_its_sentences(run: Run, where: Where) -> None:
    """A slice by the sentence's length is that of all its counts: what the table of results would say of them."""
    rows = [row for row in where.slices if row.slicing == "sentence length"]
    lines = {line.regimen: line for line in run.lines}
    words = [len(document.words) for document in where.evaluated.documents]
    inside = np.array([6 <= count <= 15 for count in words])
    row = next(row for row in rows if row.slice == "6 to 15 words")
    mine, theirs = (run.counts(lines[name]) * inside[None, :, None] for name in (row.line, row.reference))
    expected = f1_interval(mine, groups=run.documents(10), seed=0)
    assert (row.f1.low, row.f1.high) == pytest.approx((expected.low, expected.high))
    difference = f1_difference(mine, theirs, groups=run.documents(10), seed=0)
    assert row.difference.mean == pytest.approx(difference.mean)


def test_a_planted_difference_survives_and_what_is_alike_does_not(run: Run, where: Where) -> None:
    rows = mark_survivors(where.slices)
    large = [row for row in rows if row.slicing == "entity length" and row.slice == "1 word"]
    assert all(row.survives and row.difference.mean > 0.2 for row in large)
    same = replace(chosen(run), others=(chosen(run).reference,))
    alike = look_where(run, same)
    assert alike is not None
    assert {row.p for row in alike.slices} == {1.0}
    assert not any(row.survives for row in mark_survivors(alike.slices))


def test_no_interval_holds_an_impossible_difference(tmp_path: Path) -> None:
    """With two seeds and slices of a few entities luck reaches beyond 1."""
    made = open_run(write_run(tmp_path, sizes=(10,), seeds=(0, 1), evaluation=16).output)
    found = look_where(made, chosen(made))
    assert found is not None
    assert all(-1 <= row.difference.low <= row.difference.mean <= row.difference.high <= 1 for row in found.slices)
    assert any(row.difference.high == 1 for row in found.slices)


def test_survivors_are_counted_over_all_rows(where: Where) -> None:
    row = where.slices[0]
    rows = [replace(row, p=p) for p in (0.01, 0.03, 0.04)]
    assert [each.survives for each in mark_survivors(rows)] == [True, False, False]
    assert [each.survives for each in mark_survivors(rows[:1])] == [True]
    assert mark_survivors([]) == ()


def test_errors_add_up_to_the_counts(run: Run, where: Where) -> None:
    for found in where.found:
        rows = {row.kind: row for row in where.errors if row.line == found.name}
        assert set(rows) == set(CLASSES)
        correct, predicted, gold = run.counts(found.line).sum(axis=(0, 1)) / len(found.seeds)
        paired = sum(rows[kind].count for kind in CLASSES[:4])
        assert rows["right"].count == pytest.approx(correct)
        assert paired + rows["missed"].count == pytest.approx(gold)
        assert paired + rows["spurious"].count == pytest.approx(predicted)
        assert rows["right"].rate.mean == pytest.approx(1000 * correct / gold)
        assert all((row.difference is None) == (found is where.found[0]) for row in rows.values())
    assert next(row for row in where.errors if row.line == "simple_mix" and row.kind == "type").difference is not None


def test_examples_are_of_their_class_from_different_documents_and_the_same_again(where: Where) -> None:
    shown = list(error_examples(where.evaluated, where.found[0], 3))
    assert shown == list(error_examples(where.evaluated, where.found[0], 3))
    place = {document.id: number for number, document in enumerate(where.evaluated.documents)}
    assert {kind for kind, _ in shown} == {"type", "boundary", "missed", "spurious"}  # the made-up students do no other
    for kind in CLASSES[1:]:
        examples = [example for each, example in shown if each == kind]
        assert len(examples) <= 3
        assert len({where.evaluated.groups[place[example.id]] for example in examples}) == len(examples)
        for example in examples:
            human, student = example.mentions
            assert (human is None) == (kind == "spurious")
            assert (student is None) == (kind == "missed")
            if human and student:
                assert (human[0] == student[0]) == (kind == "type")
                assert (human[1] == student[1]) == (kind == "boundary")
            document = where.evaluated.documents[place[example.id]]
            assert all(words[0] in document.text for words in (human, student) if words)


def test_surface_forms_are_those_that_students_read(run: Run, where: Where) -> None:
    seen = seen_in_training(run, where.evaluated, where.found[1].line)
    assert seen is not None
    original, distilled = seen
    for sets, file in ((original, run.folder.original(10)), (distilled, run.folder.distilled("news"))):
        wanted = {
            document.text[span.start : span.end].casefold()
            for document in read_documents(file)
            for span in document.spans
        }
        assert all(each == wanted for each in sets)
    assert len(original) == len(where.evaluated.documents)


def test_with_folds_what_was_seen_is_what_the_sentence_s_students_read(tmp_path: Path) -> None:
    made = open_run(write_run(tmp_path, sizes=(20,), seeds=(0,), more={"folds": {"count": 3, "nested": False}}).output)
    found = look_where(made, chosen(made, 20))
    assert found is not None
    evaluated = found.evaluated
    assert set(evaluated.parts.tolist()) == {0, 1, 2}
    seen = seen_in_training(made, evaluated, found.found[1].line)
    assert seen is not None
    for fold in range(3):
        rest = read_documents(made.folder.original(20, (fold,)))
        wanted = {document.text[s.start : s.end].casefold() for document in rest for s in document.spans}
        assert seen[0][evaluated.parts.tolist().index(fold)] == wanted


def copied(made: Path, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


def test_without_the_corpus_there_is_nothing_to_look_at(made: Path, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    run.folder.evaluation.unlink()
    assert read_evaluated(run, 10) is None
    assert look_where(run, chosen(run)) is None


def test_another_evaluation_than_the_one_scored_on(made: Path, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    lines = run.folder.evaluation.read_text().splitlines(keepends=True)
    run.folder.evaluation.write_text("".join(lines[::-1]))
    with pytest.raises(InputError, match=r"is not what .* was scored on"):
        look_where(run, chosen(run))


def test_students_of_which_nothing_is_kept_are_named(made: Path, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    lines = {line.regimen: line for line in run.lines}
    name = lines["simple_mix"].parts[1][0][0]
    (run.folder.student(name) / "predictions-evaluation.jsonl").unlink()
    found = look_where(run, chosen(run))
    assert found is not None
    assert found.not_kept == (name,)
    assert {row.seeds for row in found.slices} == {2}
    for seed in run.seeds(lines["original_only"]):
        (run.folder.student(lines["original_only"].parts[seed][0][0]) / "predictions-evaluation.jsonl").unlink()
    assert read_found(run, lines["original_only"]) is None
    assert look_where(run, chosen(run)) is None


@pytest.mark.parametrize(
    ("remove", "gone"),
    [
        (lambda run: run.folder.original(10).unlink(), "surface form"),
        (lambda run: run.folder.distilled("news").unlink(), "surface form"),
    ],
)
def test_a_slicing_that_lacks_its_files_is_left_out(
    made: Path, tmp_path: Path, remove: Callable[[Run], None], gone: str
) -> None:
    run = copied(made, tmp_path)
    remove(run)
    found = look_where(run, chosen(run))
    assert found is not None
    assert gone not in {row.slicing for row in found.slices}
    assert "type" in {row.slicing for row in found.slices}


def test_predictions_without_confidences_have_no_such_slices(made: Path, tmp_path: Path) -> None:
    run = copied(made, tmp_path)
    for file in run.folder.root.glob("cells/*/predictions-evaluation.jsonl"):
        rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            del row["meta"]["confidences"]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = look_where(run, chosen(run))
    assert found is not None
    assert "confidence" not in {row.slicing for row in found.slices}
