"""What is left of one student: its results, and its weights with a card that tells them."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from nerkd_local import __version__
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.experiment import students
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student, run_student
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.records import Document, Span, from_words
from nerkd_local.settings import load_settings
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from nerkd_local.train.verify import verify_run

WORDS = ["anna", "lives", "in", "paris"]


def sentences(name: str, count: int) -> list[Document]:
    return [
        from_words(f"{name}:{n}", WORDS + WORDS[:n], (Span(0, 4, "PER"), Span(14, 19, "LOC"))) for n in range(count)
    ]


@pytest.fixture
def experiment(settings: ExperimentSettings, tiny_encoder: Path) -> ExperimentSettings:
    training = {"steps": 40, "batch_size": 4, "max_tokens": 32, "stride": 8, "precision": "fp32", "threads": 1}
    training |= {"learning_rate": 1e-2}
    return ExperimentSettings.model_validate({**settings.model_dump(), "student": tiny_encoder, "training": training})


@pytest.fixture
def student(tmp_path: Path) -> Student:
    for name, count in (("original", 6), ("distilled", 5)):
        write_documents(tmp_path / f"{name}.jsonl", sentences(name, count))
    # what no training can teach: two entities that are not marked, and one that no other text has
    unlike = [from_words(name, WORDS, spans) for name, spans in (("none", ()), ("in", (Span(11, 13, "LOC"),)))]
    write_documents(tmp_path / "gold.jsonl", [*sentences("gold", 4), *unlike])
    return Student(
        "linear",
        "linear",
        0,
        tmp_path / "original.jsonl",
        tmp_path / "distilled.jsonl",
        {"dev": tmp_path / "gold.jsonl"},
    )


def train_here(student: Student, settings: TrainSettings) -> None:
    train(settings)


def card_of(folder: Path) -> str:
    """The card as it is shown."""
    return unescape((folder / "student" / "README.md").read_text())


def cells(card: str, first: str) -> list[str]:
    (line,) = (line for line in card.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_a_student_that_is_kept_has_a_card_with_its_scores_and_its_twin_has_one_too(
    experiment: ExperimentSettings, student: Student
) -> None:
    folder = RunFolder(experiment.output)
    result = run_student(student, experiment.students, folder, train_here)
    here = folder.student("linear")
    card = card_of(here)
    strict = result["scores"]["dev"][0]
    assert len({strict[name] for name in ("precision", "recall", "f1")}) == 3  # or they could not be told apart
    shown = cells(card, "dev.conll | all types")
    assert shown[2:6] == ["9", *(f"{strict[name]:.4f}" for name in ("precision", "recall", "f1"))]
    low, high = map(float, shown[6].split(" to "))
    assert 0 <= low < strict["f1"] < high <= 1
    assert {line.split(" | ")[1] for line in card.splitlines() if line.startswith("| dev.conll |")} == {
        "all types",
        "LOC",
        "PER",
    }
    assert cells(card, "evaluation data (dev.conll), SHA-256")[1:] == [digest_file(student.evaluations["dev"])]
    assert student.distilled is not None
    assert cells(card, "distilled data, SHA-256")[1:] == [digest_file(student.distilled)]
    plan_says = json.loads((here / "plan.jsonl").read_text().splitlines()[0])["fingerprint"]
    assert cells(card, "plan, fingerprint")[1:] == [plan_says]
    assert ModelCard.load(here / "student" / "README.md").data.eval_results[0].metric_value == round(strict["f1"], 4)

    twin = Student("linear@0.5", "linear@0.5", 0, student.original, student.distilled, student.evaluations)

    def never(student: Student, settings: TrainSettings) -> None:
        raise AssertionError("a twin is not trained")

    assert run_student(twin, experiment.students, folder, never) == result
    there = folder.student("linear@0.5")
    weights = [path / "student" / "model.safetensors" for path in (here, there)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    theirs = card_of(there)
    assert cells(theirs, "regimen")[1:] == ["linear@0.5"]
    assert cells(theirs, "dev.conll | all types") == shown
    assert card_of(here) == card
    for name in (here, there):
        assert verify_run(load_settings(TrainSettings, name / "train.yaml", [])).problems == []


def test_a_result_names_the_software_that_was_there_before_training(
    experiment: ExperimentSettings, student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"commit": "first"}
    monkeypatch.setattr(students, "describe_software", lambda packages: dict(there))

    def train_and_commit(student: Student, settings: TrainSettings) -> None:
        there["commit"] = "second"
        train(settings)

    result = run_student(student, experiment.students, RunFolder(experiment.output), train_and_commit)
    assert result["made_with"]["commit"] == "first"


def test_a_student_that_is_not_kept_leaves_its_scores_and_its_ledger(
    experiment: ExperimentSettings, student: Student
) -> None:
    folder = RunFolder(experiment.output)
    result = run_student(student, experiment.students.model_copy(update={"keep_students": False}), folder, train_here)
    here = folder.student("linear")
    assert read_json(here / "result.json") == result
    made_with = result["made_with"]
    assert (made_with["nerkd-local"], made_with["numpy"]) == (__version__, np.__version__)
    machine = ("world_size", "threads", "precision", "device")
    assert {name: made_with[name] for name in machine} == {
        name: value for name, value in read_json(here / "trained.json").items() if name in machine
    }
    assert not (here / "student").exists()
    findings = verify_run(load_settings(TrainSettings, here / "train.yaml", []))
    assert findings.problems == []
    assert findings.shown["original"]["examples"] + findings.shown["distilled"]["examples"] == 160
    ledger = (here / "exposure.jsonl").read_text().splitlines(keepends=True)
    (here / "exposure.jsonl").write_text("".join(ledger[:-1]))
    (problem,) = verify_run(load_settings(TrainSettings, here / "train.yaml", [])).problems
    assert f"holds {len(ledger) - 1} of the {len(ledger)} steps that were trained" in problem
