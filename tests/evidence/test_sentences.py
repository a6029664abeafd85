"""The sentence browser's data: everybody's labels with what each is against the human ones."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.demo.corpus import write_sentences
from nerkd_local.evidence.chosen import choose_lines
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sentences import HUMAN, browser_sentences
from nerkd_local.evidence.where import look_where
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.report.parts import STATES, Sentences
from nerkd_local.report.sentences import encode_sentences
from tests.evidence.runs import corrupted, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("made"), sizes=(8, 10), seeds=(0, 1), study=True).output


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


@pytest.fixture(scope="module")
def shown(made: Path) -> Sentences:
    return browser_sentences(open_run(made))


def test_layers_and_groups(shown: Sentences) -> None:
    human, annotator, *students = shown.layers
    assert (human, annotator) == (HUMAN, "recorded")
    assert shown.roles[annotator] == "annotator"
    assert {shown.roles[name] for name in students} == {"student"}
    assert [name.rpartition(", seed")[0] for name in students] == [
        "original_only, 10",
        "simple_mix, 10",
        "original_only, 8",
        "simple_mix, 8",
        "linear, 10",
        "linear, 8",
    ]
    assert shown.groups == ("evaluation", "distilled: news")
    assert Counter(each.group for each in shown.sentences) == {"evaluation": 40, "distilled: news": 30}
    assert shown.left_out == "Not shown: the other seeds of the lines shown."
    assert encode_sentences(shown)


def test_mentions_stand_where_the_files_have_them(made: Path, shown: Sentences) -> None:
    run = open_run(made)
    files = {
        HUMAN: [run.folder.evaluation, run.folder.hidden("news")],
        "recorded": [
            run.folder.study_annotation("standard", "lines") / "annotations.jsonl",
            run.folder.annotation("news") / "annotations.jsonl",
        ],
    }
    for layer in shown.layers[2:]:
        regimen, size, seed = layer.replace("seed ", "seed").split(", ")
        (name,) = (n for n in run.results if n.startswith(f"{regimen}-n{size}-") and n.endswith(seed))
        files[layer] = [run.folder.student(name) / "predictions-evaluation.jsonl"]
    for layer, paths in files.items():
        expected = {d.id: [(s.start, s.end, s.label) for s in d.spans] for file in paths for d in read_documents(file)}
        for sentence in shown.sentences:
            found = [(m.start, m.end, m.label) for m in sentence.labels.get(layer, ()) if m.state != "missed"]
            assert found == expected.get(sentence.id, []), layer
            assert (layer in sentence.labels) == (sentence.id in expected)


def test_states_are_those_of_the_error_classes(made: Path, shown: Sentences) -> None:
    run = open_run(made)
    chosen = choose_lines(run, 10)
    assert chosen is not None
    where = look_where(run, chosen)
    assert where is not None
    states = Counter((name, m.state) for each in shown.sentences for name, ms in each.labels.items() for m in ms)
    assert {state for name, state in states if name == HUMAN} == {"unknown"}
    assert {state for _, state in states} <= set(STATES)
    for found in where.found:
        layer = f"{found.name}, 10, seed {found.typical}"
        if len(found.seeds) == 2:
            total = sum(states[layer, state] for state in STATES if state not in ("spurious",))
            assert total == len(where.evaluated.gold)
            assert states[layer, "right"] + states[layer, "missed"] <= total


def test_confidences_are_the_students(shown: Sentences) -> None:
    sure = [m.confidence for each in shown.sentences for m in each.labels.get(shown.layers[2], ())]
    known = [value for value in sure if value is not None]
    assert known
    assert all(0.3 <= value <= 1 for value in known)
    missed = [m for each in shown.sentences for m in each.labels.get(shown.layers[2], ()) if m.state == "missed"]
    assert missed
    assert all(m.confidence is None for m in missed)


def test_as_many_students_as_fit(run: Run) -> None:
    few = browser_sentences(run, students=2)
    assert len(few.layers) == 4
    assert few.left_out == "Not shown: students of 4 more lines; the other seeds of the lines shown."
    none = browser_sentences(run, budget=0)
    assert none.layers == (HUMAN, "recorded")
    assert none.left_out == "Not shown: students of 6 more lines."


def test_as_many_sentences_as_wanted_and_the_same_again(run: Run) -> None:
    some = browser_sentences(run, sentences=50)
    assert Counter(each.group for each in some.sentences) == {"evaluation": 40, "distilled: news": 10}
    assert "20 distilled sentences beyond the 50 shown" in some.left_out
    assert some == browser_sentences(run, sentences=50)
    ids = [each.id for each in some.sentences]
    every = [each.id for each in browser_sentences(run).sentences]
    assert ids == [id for id in every if id in set(ids)]


def test_answers_that_could_not_be_used_say_so(run: Run) -> None:
    file = run.folder.annotation("news") / "annotations.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[3]["meta"]["status"], rows[3]["spans"] = "truncated", []
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = browser_sentences(run)
    sentence = next(each for each in shown.sentences if each.id == rows[3]["id"])
    assert sentence.state == "truncated"
    assert "recorded" not in sentence.labels
    assert HUMAN in sentence.labels


def test_what_selection_decided_is_told(tmp_path: Path) -> None:
    more = {"selections": {"all": {"kind": "keep_all"}}, "mixes": [{"sources": ["news"], "selection": "all"}]}
    run = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,), more=more).output)
    file = run.folder.distilled("news~all")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:12]))
    states = Counter(each.state for each in browser_sentences(run).sentences if each.group == "distilled: news")
    assert states == {"annotated; kept": 12, "annotated; dropped": 18}


def test_an_annotator_who_is_called_human_is_not_taken_for_people(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0,))
    named = settings.model_copy(update={"annotator": settings.annotator.model_copy(update={"name": HUMAN})})
    run = open_run(settings.output)
    shown = browser_sentences(Run(named, run.folder, run.results))
    assert shown.layers[:2] == (HUMAN, "human (annotator)")
    assert shown.roles[HUMAN] == "original"


def test_what_a_folder_lacks_is_left_out(run: Run) -> None:
    run.folder.hidden("news").unlink()
    shown = browser_sentences(run)
    states = {
        m.state for each in shown.sentences if each.group != "evaluation" for ms in each.labels.values() for m in ms
    }
    assert states == {"unknown"}
    for file in run.folder.root.glob("cells/*/predictions-*"):
        file.unlink()
    assert browser_sentences(run).layers == (HUMAN, "recorded")
    assert "students of 6 lines, of which no predictions were kept" in browser_sentences(run).left_out
    run.folder.evaluation.unlink()
    shown = browser_sentences(run)
    assert shown.groups == ("distilled: news",)
    assert shown.layers == ("recorded",)
    shutil.rmtree(run.folder.root / "annotations")
    shown = browser_sentences(run)
    assert (list(shown.sentences), shown.layers) == ([], ())
    assert shown.left_out.startswith("Not shown: the evaluation sentences")


def test_with_folds(tmp_path: Path) -> None:
    run = open_run(
        write_run(tmp_path, sizes=(12, 20), seeds=(0,), more={"folds": {"count": 3, "nested": False}}).output
    )
    shown = browser_sentences(run)
    assert {name.split(", ")[1] for name in shown.layers if shown.roles[name] == "student"} == {"20"}
    assert "the folds of fewer than 20 original sentences" in shown.left_out


def test_a_missed_mention_under_another_is_not_shown_twice(run: Run) -> None:
    """Two human mentions, one predicted across both: layers hold no mentions that overlap."""
    shown = browser_sentences(run)
    for each in shown.sentences:
        for mentions in each.labels.values():
            assert all(a.end <= b.start for a, b in pairwise(mentions))


def test_what_is_left_out_is_counted_as_students_not_as_lines(tmp_path: Path) -> None:
    """One seed has no others, and a student that stands in the table of every size is one."""
    regimens = ("original_only", "distilled_only")
    made = open_run(write_run(tmp_path, sizes=(8, 10), seeds=(0,), regimens=regimens).output)
    assert len(made.lines) == 4
    shown = browser_sentences(made)
    assert sum(role == "student" for role in shown.roles.values()) == 3
    assert shown.left_out == ""
    assert browser_sentences(made, students=2).left_out == "Not shown: students of 1 more line."


def test_twenty_thousand_sentences(tmp_path: Path) -> None:
    """Evaluation and distilled sentences written straight into the folder of a finished run."""
    run = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,)).output)
    random = Random(0)
    large = [
        type(each)(f"news/news:{number}", each.text, each.tokens, corrupted(each, 0.7, random))
        for number, each in enumerate(write_sentences("annotator", 20_100, 1))
    ]
    folder: RunFolder = run.folder
    write_documents(folder.annotation("news") / "annotations.jsonl", large)
    folder.hidden("news").unlink()
    shown = browser_sentences(run)
    assert len(shown.sentences) == 20_000
    assert "140 distilled sentences beyond the 20,000 shown" in shown.left_out
