"""What the annotator gets wrong and the student right: on a study whose answers are known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.evidence.against_annotator import AgainstRow, Study, against_rows, corrected, read_study, spoilt
from nerkd_local.evidence.evaluated import Found, read_evaluated, read_found
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.pipeline import run_experiment
from tests.evidence.runs import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return write_run(root, sizes=(10,), seeds=(0, 1), evaluation=80, study=True, regimens=("original_only",)).output


def study_of(run: Run) -> Study | None:
    evaluated = read_evaluated(run, 10)
    assert evaluated is not None
    return read_study(run, evaluated)


def found_of(run: Run) -> Found:
    found = read_found(run, run.lines[0])
    assert found is not None
    return found


def rows_of(run: Run) -> dict[tuple[str, str | None], AgainstRow]:
    study = study_of(run)
    assert study is not None
    return {(row.outcome, row.label): row for row in against_rows(study, found_of(run))}


def annotations(run: Run) -> Path:
    return run.folder.study_annotation("standard", "lines") / "annotations.jsonl"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


def test_counts_are_those_of_a_plain_comparison(run: Run) -> None:
    study = study_of(run)
    assert study is not None
    assert (study.others, len(study.sentences)) == (0, 80)
    gold = {document.id: set(document.spans) for document in read_documents(run.folder.evaluation)}
    theirs = {document.id: set(document.spans) for document in read_documents(annotations(run))}
    students = [
        {d.id: set(d.spans) for d in read_documents(run.folder.student(name) / "predictions-evaluation.jsonl")}
        for name in sorted(run.results)
    ]
    right = [(id, span) for id, spans in gold.items() for span in spans if span in theirs[id]]
    wrong = [(id, span) for id, spans in gold.items() for span in spans if span not in theirs[id]]
    rows = rows_of(run)
    assert rows["right", None].mentions == len(right)
    shares = [np.mean([span in found[id] for id, span in right]) for found in students]
    assert rows["right", None].right.mean == pytest.approx(np.mean(shares))
    by_type = [rows[key] for key in rows if key[0] == "wrong"]
    assert sum(row.mentions for row in by_type) == len(wrong)
    hit = sum(row.mentions * row.right.mean for row in by_type)
    assert hit == pytest.approx(np.mean([sum(span in found[id] for id, span in wrong) for found in students]))
    # of human mentions each is in one class
    kinds = ("right", "type", "boundary", "both", "missed")
    assert sum(rows[kind, None].mentions for kind in kinds if (kind, None) in rows) == len(right) + len(wrong)


def test_an_annotator_who_is_always_right_leaves_nothing_to_correct(run: Run) -> None:
    write_documents(annotations(run), read_documents(run.folder.evaluation))
    rows = rows_of(run)
    assert {outcome for outcome, _ in rows} == {"right"}
    study = study_of(run)
    assert study is not None
    assert corrected(study, found_of(run), 5) == []
    assert len(spoilt(study, found_of(run), 5)) == 5


def test_students_that_do_as_the_annotator_does(run: Run) -> None:
    """Their predictions put in the annotator's place: every student of that seed has the same, right or wrong."""
    name = run.lines[0].parts[0][0][0]
    write_documents(annotations(run), read_documents(run.folder.student(name) / "predictions-evaluation.jsonl"))
    only = Found(*(getattr(found_of(run), field) for field in ("line", "name")), (0,), found_of(run).tables[:1], (), 0)
    study = study_of(run)
    assert study is not None
    for row in against_rows(study, only):
        assert row.same.mean == 1.0
        assert row.right.mean == (1.0 if row.outcome == "right" else 0.0)


def test_examples_are_what_they_say(run: Run) -> None:
    study = study_of(run)
    assert study is not None
    found = found_of(run)
    for examples, kept in ((corrected(study, found, 50), True), (spoilt(study, found, 50), False)):
        assert examples
        for example in examples:
            human, annotator, student = example.mentions
            assert human is not None
            assert (human == annotator) is not kept
            assert (human == student) is kept


def test_sentences_without_an_answer_or_with_other_words_are_left_out(run: Run) -> None:
    rows = [json.loads(line) for line in annotations(run).read_text().splitlines()]
    rows[0]["meta"]["status"], rows[0]["spans"] = "truncated", []
    rows[1] = {"id": rows[1]["id"], "text": "Other words", "tokens": [[0, 5], [6, 11]], "spans": [], "meta": {}}
    rows[2]["id"] = "nowhere"
    annotations(run).write_text("".join(json.dumps(row) + "\n" for row in rows))
    study = study_of(run)
    assert study is not None
    assert (len(study.sentences), study.others) == (77, 3)
    assert len(study.evaluated.gold.by_sentence()) == 77


def test_no_study(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0,))
    assert study_of(open_run(settings.output)) is None


def test_a_study_may_be_added_to_a_finished_run(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0,))
    before = {file: file.stat().st_mtime_ns for file in settings.output.glob("cells/*/*")}
    study = {"corpus": {"path": "evaluation.jsonl"}, "formats": ["lines"]}
    more = type(settings).model_validate({**settings.model_dump(), "annotator_study": study})
    summary = run_experiment(more, lambda line: None, train=False)
    assert "by prompt and answer format" in summary
    assert study_of(open_run(settings.output)) is not None
    assert {file: file.stat().st_mtime_ns for file in settings.output.glob("cells/*/*")} == before


def test_the_annotator_s_own_prompt_and_format_come_first(tmp_path: Path) -> None:
    study = {"corpus": {"path": "evaluation.jsonl"}, "formats": ["json", "lines"]}
    run = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,), more={"annotator_study": study}).output)
    found = study_of(run)
    assert found is not None
    assert (found.annotator, found.as_asked) == ("recorded", True)
    assert found.name == "recorded, prompt standard, format lines"
    shutil.rmtree(run.folder.study_annotation("standard", "lines"))
    other = study_of(run)
    # what is recorded is no JSON, so no sentence has a usable answer
    assert other is None
