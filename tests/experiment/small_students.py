"""Small students to train, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.experiment import workers
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student
from nerkd_local.experiment.worker import Worker
from nerkd_local.files import write_json
from nerkd_local.records import Document, Span, from_words
from nerkd_local.settings import save_settings
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
    save_settings(settings, folder.settings)
    write_json(folder.students, [workers._plain(student) for student in students])
    return folder


def work(
    students: Sequence[Student], settings: ExperimentSettings, folder: RunFolder, stop: Any = lambda: False
) -> None:
    Worker(students, settings, folder, stop).work()


def train_alone(student: Student, settings: TrainSettings) -> None:
    train(settings)


def left(folder: RunFolder, name: str) -> dict[str, bytes]:
    """All that is the student's, but for what says where and how fast it was made."""
    there = folder.student(name)
    names = ["student/model.safetensors", "predictions-gold.jsonl", "counts.npz", "exposure.jsonl", "result.json"]
    return {each: (there / each).read_bytes() for each in names}
