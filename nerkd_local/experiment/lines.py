"""The lines of the result table, and which students' scores each is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.experiment.cells import EVALUATION, Cell, fold_name, list_cells
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import read_counts

Counts = npt.NDArray[np.int64]
Part = tuple[str, str]
"""A student's name, and which of its evaluations."""


@dataclass(frozen=True, slots=True)
class Line:
    """One regimen with one mix of distilled sources and one number of human-labelled sentences at hand.

    A regimen that reads no human labels has a line for every size: the same students, next to that size's others.
    """

    regimen: str
    mix: str | None
    size: int
    parts: Mapping[int, tuple[Part, ...]]
    """By seed: the scores that together cover every evaluation sentence once."""
    inner: Mapping[tuple[int, int], Mapping[int, Part]]
    """With nested folds, by outer and inner fold, then by seed: the score on the inner fold of a student that saw
    neither."""

    def finished(self, results: Mapping[str, Any]) -> list[int]:
        """The seeds whose students are all there."""
        return [seed for seed, parts in self.parts.items() if all(name in results for name, _ in parts)]


def list_lines(settings: ExperimentSettings) -> list[Line]:
    """Every line of the table: sizes ascending, then mixes and regimens in the order of the settings."""
    cells = list_cells(settings)
    lines = [
        _line(regimen, mix, size, cells)
        for size in sorted(set(settings.original.sizes))
        for regimen, mix in dict.fromkeys((cell.regimen, cell.mix) for cell in cells)
    ]
    return [line for line in lines if line.parts]  # a mix may be wanted beside some sizes only


def line_counts(line: Line, seeds: Sequence[int], folder: RunFolder) -> Counts:
    """Correct, predicted and gold entities. Shape: (seeds, sentences, 3), the same sentences for lines of a size."""
    return np.stack([np.concatenate([read_counts(folder, *part) for part in line.parts[seed]]) for seed in seeds])


def evaluation_files(settings: ExperimentSettings, folder: RunFolder, size: int) -> tuple[Path, ...]:
    """The human-labelled files whose sentences, one after the other, are the rows of `line_counts`."""
    if settings.folds is None:
        return (folder.evaluation,)
    return tuple(folder.fold(size, fold) for fold in range(settings.folds.count))


def _line(regimen: str, mix: str | None, size: int, cells: Sequence[Cell]) -> Line:
    parts: dict[int, tuple[Part, ...]] = {}
    inner: dict[tuple[int, int], dict[int, Part]] = {}
    for cell in cells:
        if (cell.regimen, cell.mix) != (regimen, mix):
            continue
        if cell.original_size not in (None, size) or cell.fold_size not in (None, size):
            continue
        if cell.fold_size is None:
            parts[cell.seed] = ((cell.name, EVALUATION),)
            continue
        reads_none = cell.original_size is None
        if reads_none or len(cell.held_out) == 1:
            scored = tuple((cell.name, fold_name(fold)) for fold in cell.held_out)
            parts[cell.seed] = (*parts.get(cell.seed, ()), *scored)
        if len(cell.held_out) > 1:
            for outer in cell.held_out:
                for fold in cell.held_out:
                    if fold != outer:
                        inner.setdefault((outer, fold), {})[cell.seed] = (cell.name, fold_name(fold))
    return Line(regimen, mix, size, parts, inner)
