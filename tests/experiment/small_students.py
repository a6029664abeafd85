"""Small students to train, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from nerkd_local.config.experiment import ExperimentSettings, StudentsSettings
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student, run_student
from nerkd_local.experiment.worker import Worker
from nerkd_local.experiment.workers import write_students
from nerkd_local.records import Document, Span, from_words
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings

STEPS = 8


def sentences(source: str, words: Sequence[str]) -> list[Document]:
    made = []
    for number in range(6):
        text = ["anna", "lives", "in", "paris", *words[:number]]
        made.append(from_words(f"{source}:{number}", text, (Span(0, 4, "PER"), Span(14, 19, "LOC"))))
    return made


def new_folder(settings: ExperimentSettings, name: str, students: Sequence[Student]) -> RunFolder:
    folder = RunFolder(settings.output.parent / name)
    folder.root.mkdir()
    write_students(students, settings.students, folder)
    return folder


def work(
    students: Sequence[Student], settings: ExperimentSettings, folder: RunFolder, stop: Any = lambda: False
) -> None:
    Worker(students, settings.students, folder, stop).work()


def train_alone(student: Student, settings: TrainSettings) -> None:
    train(settings)


def train_in_process(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> list[str]:
    """Make these modules train their students in this process; returns the list that their names go to."""
    names: list[str] = []

    def note(student: Student, settings: TrainSettings) -> None:
        names.append(student.name)
        train(settings)

    def run_students(students: Sequence[Student], settings: StudentsSettings, folder: RunFolder, say: Any) -> Any:
        return {student.name: run_student(student, settings, folder, note) for student in students}

    for module in modules:
        monkeypatch.setattr(module, "run_students", run_students)
    return names


def left(folder: RunFolder, name: str) -> dict[str, bytes]:
    """All that is the student's, but for what says where and how fast it was made."""
    there = folder.student(name)
    names = ["student/model.safetensors", "predictions-gold.jsonl", "counts.npz", "exposure.jsonl", "result.json"]
    return {each: (there / each).read_bytes() for each in names}
