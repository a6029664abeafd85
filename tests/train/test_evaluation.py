"""Evaluations on the way: their figures, and that training does not notice them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.records import Document, Span, from_words
from nerkd_local.student.checkpoint import open_checkpoint
from nerkd_local.student.model import load_trained
from nerkd_local.student.predict import predict
from nerkd_local.train.evaluation import Counts, EvaluationLog, read_evaluation
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.run import train
from tests.train.conftest import SettingsMaker


def gold() -> list[Document]:
    """Words that no training example has, a text of many windows, words without sub-tokens, and one without others."""
    short = from_words("short", ["anna", "saw", "berlin"], (Span(0, 4, "PER"), Span(9, 15, "LOC")))
    words = ["xyz"] * 60 + ["\u200b", "anna", "\u200b"] + ["town"] * 30 + ["berlin"]
    text = " ".join(words)
    spans = (Span(text.index("anna"), text.index("anna") + 4, "PER"), Span(len(text) - 6, len(text), "LOC"))
    return [short, from_words("long", words, spans), from_words("unseen", ["\u200b"], (Span(0, 1, "PER"),))]


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    write_documents(tmp_path / "gold.jsonl", gold())
    return tmp_path / "gold.jsonl"


def rows(folder: TrainFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.evaluations.path.read_text().splitlines()]


def assert_same_weights(one: TrainFolder, other: TrainFolder) -> None:
    left, right = (load_file(each.student / "model.safetensors") for each in (one, other))
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


def count(folder: TrainFolder, path: Path) -> Counts:
    model, tokenizer = load_trained(folder.student)
    documents = list(read_documents(path))
    answers = predict(model, tokenizer, documents, precision="fp32", device=torch.device("cpu"))
    table = sentence_counts([spans_to_tags(document) for document in documents], [each.tags for each in answers])
    return Counts(*table.sum(0).tolist())


def test_evaluations_are_those_of_the_saved_student_and_leave_no_trace_in_it(
    make_settings: SettingsMaker, evaluation: Path
) -> None:
    plain = train(make_settings(steps=12, output="plain", learning_rate=5e-3))
    settings = make_settings(steps=12, learning_rate=5e-3, evaluation=evaluation, evaluate_every=5)
    folder = train(settings)
    assert_same_weights(plain, folder)
    assert plain.exposure.path.read_text() == folder.exposure.path.read_text()
    assert not plain.evaluations.path.exists()
    assert [row["step"] for row in rows(folder)] == [5, 10, 12]
    counts = count(folder, evaluation)
    assert counts.gold == sum(len(document.spans) for document in gold()) == 5
    assert rows(folder)[-1] == {"step": 12, **counts.scores()}


@pytest.mark.parametrize(
    ("counts", "scores"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((0, 3, 0), (0, 0, 0)),
        ((2, 4, 5), (0.5, 0.4, 4 / 9)),
        ((5, 5, 5), (1, 1, 1)),
    ],
)
def test_scores_of_counts(counts: tuple[int, int, int], scores: tuple[float, float, float]) -> None:
    assert tuple(Counts(*counts).scores().values()) == pytest.approx(scores)


class Scripted:
    """Takes the place of `evaluate`: F1 as listed, or None, which is a stop."""

    def __init__(self, *found: int | None) -> None:
        self.found = list(found)

    def __call__(self, *_: object, **__: object) -> Counts | None:
        correct = self.found.pop(0)
        return None if correct is None else Counts(correct, 10, 10)


def test_the_best_weights_become_the_student(
    make_settings: SettingsMaker, evaluation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerkd_local.train.run.evaluate", Scripted(1, 7, 3, 7, 2))
    every: dict[str, Any] = {
        "evaluation": evaluation,
        "evaluate_every": 2,
        "checkpoint_every": 1,
        "keep_checkpoints": 1,
    }
    folder = train(make_settings(steps=9, keep="best", **every))
    assert [row["f1"] for row in rows(folder)] == pytest.approx([0.1, 0.7, 0.3, 0.7, 0.2])
    kept = sorted(path.name for path in folder.checkpoints.iterdir())
    assert kept == ["step-00000004", "step-00000008"]  # the earliest of the best, and the newest
    best = open_checkpoint(folder.checkpoints, 4).tensors("model")
    student = load_file(folder.student / "model.safetensors")
    assert torch.equal(student["classifier.weight"], best["classifier.weight"])
    newest = open_checkpoint(folder.checkpoints, 8).tensors("model")
    assert not torch.equal(student["classifier.weight"], newest["classifier.weight"])
    words = "bert.embeddings.word_embeddings.weight"
    assert len(student[words]) > len(best[words])  # the whole table


@pytest.mark.parametrize(("stopped", "after"), [(1, 2), (2, 4), (3, 6)])
def test_a_stop_in_an_evaluation_is_saved_and_the_evaluation_done_again(
    make_settings: SettingsMaker, evaluation: Path, monkeypatch: pytest.MonkeyPatch, stopped: int, after: int
) -> None:
    changes: dict[str, Any] = {"evaluation": evaluation, "evaluate_every": 2}
    whole = train(make_settings(output="whole", **changes))
    from nerkd_local.train import run

    evaluate, done = run.evaluate, 0

    def interrupted(*arguments: Any, stop: Any, **named: Any) -> Counts | None:
        nonlocal done
        done += 1
        return evaluate(*arguments, stop=lambda: done == stopped, **named)

    monkeypatch.setattr(run, "evaluate", interrupted)
    settings = make_settings(output="parts", **changes)
    with pytest.raises(InterruptedRun, match=f"stopped after {after} of 6 steps"):
        train(settings)
    parts = TrainFolder(settings.output)
    assert not parts.done.exists()
    train(settings)
    assert done == 4  # three, and one again
    assert_same_weights(whole, parts)
    for name in ("exposure", "evaluations"):
        assert getattr(parts, name).path.read_text() == getattr(whole, name).path.read_text()


def test_a_crash_costs_no_evaluation_and_doubles_none(
    make_settings: SettingsMaker, evaluation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"evaluation": evaluation, "evaluate_every": 1, "keep": "best"}
    monkeypatch.setattr("nerkd_local.train.run.evaluate", Scripted(5, 4, 3, None))
    settings = make_settings(output="parts", **changes)
    with pytest.raises(InterruptedRun):
        train(settings)
    folder = TrainFolder(settings.output)
    with folder.evaluations.path.open("a") as stream:
        stream.write('{"step": 6, "f1": 0.9, "precision": 1, "recall": 1}\n{"ste')  # known to no checkpoint
    monkeypatch.setattr("nerkd_local.train.run.evaluate", Scripted(2, 1, 0))
    train(settings)
    assert [(row["step"], round(10 * row["f1"])) for row in rows(folder)] == [(n, 6 - n) for n in range(1, 7)]


def test_a_run_whose_best_checkpoint_is_damaged_starts_over(
    make_settings: SettingsMaker, evaluation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: dict[str, Any] = {"evaluation": evaluation, "evaluate_every": 1, "keep": "best"}
    monkeypatch.setattr("nerkd_local.train.run.evaluate", Scripted(5, 4, 3, None))
    settings = make_settings(**changes)
    with pytest.raises(InterruptedRun):
        train(settings)
    folder = TrainFolder(settings.output)
    (folder.checkpoints / "step-00000001" / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr("nerkd_local.train.run.evaluate", Scripted(5, 4, 3, 2, 1, 0))
    assert train(settings).done.exists()
    assert "the checkpoint of the best evaluation, step 1, is damaged; starting over" in capsys.readouterr().err
    assert len(rows(folder)) == 6


def test_what_cannot_be_evaluated_on_is_refused(tmp_path: Path, make_settings: SettingsMaker) -> None:
    write_documents(tmp_path / "none.jsonl", [])
    with pytest.raises(InputError, match=r"none\.jsonl: holds no document"):
        read_evaluation(tmp_path / "none.jsonl", ("PER",))
    write_documents(tmp_path / "gold.jsonl", gold())
    with pytest.raises(InputError, match=r"document 'short' has a span labelled 'LOC'.*known: PER"):
        read_evaluation(tmp_path / "gold.jsonl", ("PER",))
    with pytest.raises(ValueError, match="need an evaluation file"):
        make_settings(keep="best")


def test_an_empty_log_has_no_best(tmp_path: Path) -> None:
    log = EvaluationLog(tmp_path / "evaluations.jsonl")
    assert log.best() is None
    log.cut(3)
    assert not log.path.exists()


def test_a_log_that_lacks_an_evaluation_of_the_steps_done_starts_the_run_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The best of all would else be chosen among those that are left."""
    folder = TrainFolder(tmp_path)
    folder.checkpoints.mkdir()
    folder.exposure.path.write_text("".join(f'{{"step":{number}}}\n' for number in range(5)))
    folder.evaluations.add(4, Counts(1, 2, 2))
    assert folder.rewind(5, evaluated=[2, 4]) == 0
    assert "evaluations.jsonl: lacks evaluations of the steps done; starting over" in capfd.readouterr().err
