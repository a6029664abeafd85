"""A run folder as evidence: what it was told, what is finished, and the counts behind its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nerkd_local.config.experiment import ExperimentSettings, load_recorded
from nerkd_local.errors import InputError
from nerkd_local.evidence.documents import document_numbers
from nerkd_local.experiment.cells import list_cells, student_of
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.labels import label_parts
from nerkd_local.experiment.lines import Counts, Line, line_counts, list_lines
from nerkd_local.experiment.students import is_finished
from nerkd_local.files import read_json


@dataclass(frozen=True, eq=False)
class Run:
    """One experiment's folder, read as it is: nothing is trained, and neither the corpora nor the encoder are needed.

    `results` are those of the students with a result.json, by name; of which settings they are is written in each
    (`made_from`), and what a student's name says was decided when it was trained.
    """

    settings: ExperimentSettings
    folder: RunFolder
    results: Mapping[str, Any]

    @cached_property
    def lines(self) -> list[Line]:
        """The lines of the result table with a finished student, in its order."""
        return [line for line in list_lines(self.settings) if line.finished(self.results)]

    def seeds(self, line: Line) -> list[int]:
        """The seeds of which all students are finished."""
        return line.finished(self.results)

    def counts(self, line: Line, seeds: Sequence[int] | None = None) -> Counts:
        """Correct, predicted and gold entities; shape (seeds, sentences, 3). All finished seeds, or those named."""
        return line_counts(line, self.seeds(line) if seeds is None else seeds, self.folder)

    def documents(self, size: int) -> npt.NDArray[np.int64]:
        """The document of each sentence that a size's lines are scored on, as a number; shape (sentences,).

        Raises InputError where neither the corpus nor what was kept of it is there (see `document_numbers`).
        """
        return document_numbers(self.settings, self.folder, size)


def open_run(path: Path) -> Run:
    """The run in that folder. Raises InputError where there is none, and where no student is finished."""
    folder = RunFolder(path)
    if not folder.settings.is_file():
        raise InputError("holds no settings.yaml; name the output folder of `nerkd run`", path=path)
    settings = load_recorded(folder.settings).model_copy(update={"output": path})
    students = [student_of(cell, settings, folder) for cell in list_cells(settings)]
    names = [student.name for student in students if is_finished(student, folder)]
    names += [
        name
        for _, _, studied in label_parts(settings)
        for name in studied
        if (folder.student(name) / "result.json").exists()
    ]
    if not names:
        raise InputError("has no finished student; run `nerkd run` on its settings first", path=path)
    return Run(settings, folder, {name: read_json(folder.student(name) / "result.json") for name in names})
