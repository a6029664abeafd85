"""Choosing a regimen without a dev set: on inner folds, and scored on outer folds that the choice did not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import Counts, Line
from nerkd_local.experiment.students import read_counts
from nerkd_local.stats.bootstrap import micro_f1


@dataclass(frozen=True, slots=True)
class Selection:
    """What the procedure "train under every regimen, take the best" does on sentences it has not seen.

    `counts`: shape (seeds, sentences, 3), rows as `lines.line_counts`. `chosen`: the line taken for each outer fold.
    """

    seeds: tuple[int, ...]
    counts: Counts
    chosen: tuple[Line, ...]


def select_regimen(
    lines: Sequence[Line], folds: int, folder: RunFolder, results: Mapping[str, Any]
) -> Selection | None:
    """Choose among the lines of one size for each outer fold, by mean F1 over the seeds on all the inner folds.

    The students scored on an inner fold saw neither it nor the outer fold, so the outer fold's score is of a
    choice made without it (nested cross-validation: Varma and Simon, BMC Bioinformatics 7:91, 2006). Of equals
    the first line is taken. Only seeds with every student finished are used; None where there is no such seed.
    """
    seeds = tuple(seed for seed in lines[0].parts if all(_is_finished(line, seed, results) for line in lines))
    if not seeds:
        return None
    chosen = []
    counts = []
    for outer in range(folds):
        others = [fold for fold in range(folds) if fold != outer]
        scores = [
            np.mean([_f1([read_counts(folder, *line.inner[outer, fold][seed]) for fold in others]) for seed in seeds])
            for line in lines
        ]
        best = lines[int(np.argmax(scores))]
        chosen.append(best)
        counts.append(np.stack([read_counts(folder, *best.parts[seed][outer]) for seed in seeds]))
    return Selection(seeds, np.concatenate(counts, axis=1), tuple(chosen))


def _is_finished(line: Line, seed: int, results: Mapping[str, Any]) -> bool:
    return seed in line.finished(results) and all(parts[seed][0] in results for parts in line.inner.values())


def _f1(tables: Sequence[Counts]) -> float:
    return float(micro_f1(np.concatenate(tables).sum(axis=0)))
