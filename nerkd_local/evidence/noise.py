"""How far a number moves when nothing but the training seed changes: what a run that is repeated may differ by.

The same seed and data on another machine, or with other libraries or threads, differ by rounding at first. Training
carries that on, until the students differ about as much as with another seed: all sources of chance have similar
effects, a change of one bit among them (Summers and Dinneen, "Nondeterminism and Instability in Neural Network
Optimization", ICML 2021, on image models). So a repeated number is *within noise* where it is no further from the first
than 95 of 100 pairs of the run's own students are apart that differ in the seed alone, on as many human labels; a mean
over k seeds, where it is no further than that by the square root of k.

What it assumes, and where it ends:
- An interval's ends may move by the square root of 2 more than its mean (`repeated` says why).
- It is the most that rounding is taken to do, not what it does: after few steps that may be far less. A change of the
  code that moves F1 by less than the bound is not told from rounding by one student. So all repeated students are also
  taken together: their mean difference has the bound divided by the square root of their number.
- An interval over documents answers another question: whether these two students differ on other documents. Two that
  differ in rounding alone do, as two seeds do; with few sentences no two are told apart.
- A run with one seed has no such pairs. Then nothing is within noise: a number is bit-equal, or it differs.
- Students that are the same under several names (equal plans) count once. Pairs that share a seed's student are not
  independent, so few lines make an uncertain bound; how many pairs it comes from is told with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import numpy as np

from nerkd_local.evidence.run import Run
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.labels import label_parts
from nerkd_local.experiment.lines import Line
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.fingerprints import digest_json

Key = tuple[str, str, str]
"""Which of a student's scores: entity type, mode, and precision, recall, f1 or support."""
F1: Key = ("micro", "strict", "f1")
LineValue = Literal["f1", "precision", "recall", "lenient", "difference"]
"""What a line of the result table has of each seed; `difference` is its F1 minus that of original_only."""

SHARE = 0.95
"""Of the pairs; the bound is the distance that so many of them do not exceed."""


@dataclass(frozen=True)
class Spread:
    """Distances between the values of students that differ in the seed alone, in a number's own unit."""

    distances: tuple[float, ...]

    @staticmethod
    def of(groups: Iterable[Sequence[float]]) -> Spread:
        """`groups`: each the values of one line, by seed. Those of one seed tell nothing."""
        return Spread(tuple(sorted(abs(a - b) for group in groups for a, b in combinations(group, 2))))

    def bound(self, count: int = 1) -> float | None:
        """How far two means over `count` students each may be apart; None where there is no pair to tell by."""
        if not self.distances:
            return None
        # of few pairs the largest: a quantile between two of them would be a guess
        return float(np.quantile(self.distances, SHARE, method="higher")) / float(np.sqrt(count))


class SeedNoise:
    """The spreads of one run's numbers over its seeds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._found: dict[Any, Spread] = {}

    def of_score(self, name: str, evaluation: str, key: Key) -> Spread:
        """Of one of a student's scores: between the students of each regimen and mix on as many human labels."""
        size = self._places[name][1]
        place = (size, _kind(evaluation), key)
        if place not in self._found:
            groups: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
            for other, (group, other_size) in self._places.items():
                result = self._run.results.get(other)
                if result is None or other_size != size:
                    continue
                for which in result["scores"]:
                    value = score_value(result, which, key)
                    if _kind(which) == place[1] and value is not None:
                        groups[group, which][digest_json(result["made_from"])] = value
            self._found[place] = Spread.of(_once(groups.values()))
        return self._found[place]

    def of_line(self, size: int, value: LineValue) -> Spread:
        """Of a column of the result table: between the seeds of each of the lines of that size."""
        place = (size, value)
        if place not in self._found:
            lines = [line for line in self._run.lines if line.size == size]
            base = next((line for line in lines if line.regimen == BASELINE), None)
            groups = [
                {self._made_from(line, seed): number for seed, number in self._values(line, value, base).items()}
                for line in lines
                if value != "difference" or (base is not None and line is not base)
            ]
            self._found[place] = Spread.of(_once(groups))
        return self._found[place]

    @cached_property
    def _places(self) -> Mapping[str, tuple[str, int | None]]:
        """By student: what it shares with those that differ in the seed alone, and its number of human labels."""
        settings = self._run.settings
        places: dict[str, tuple[str, int | None]] = {}
        for cell in list_cells(settings):
            what = (cell.regimen, cell.mix, cell.original_size, cell.fold_size, cell.held_out)
            places[cell.name] = (repr(what), cell.original_size)
        for labels, size, names in label_parts(settings):
            places.update(dict.fromkeys(names, (repr((labels, size)), size)))
        return places

    def _made_from(self, line: Line, seed: int) -> str:
        return digest_json([self._run.results[name]["made_from"] for name, _ in line.parts[seed]])

    def _values(self, line: Line, value: LineValue, base: Line | None) -> dict[int, float]:
        seeds = self._run.seeds(line)
        if value == "difference":
            theirs = {} if base is None else self._values(base, "f1", None)
            mine = self._values(line, "f1", None)
            return {seed: mine[seed] - theirs[seed] for seed in seeds if seed in theirs}
        if value == "lenient":
            key = ("micro", "lenient", "f1")
            scores = {
                seed: [score_value(self._run.results[name], which, key) for name, which in line.parts[seed]]
                for seed in seeds
            }
            return {seed: sum(filter(None, each)) / len(each) for seed, each in scores.items()}
        correct, predicted, gold = self._run.counts(line).sum(axis=1).T
        below = {"f1": (predicted + gold) / 2, "precision": predicted, "recall": gold}[value]
        return dict(zip(seeds, (correct / below.clip(0.5)).tolist(), strict=True))


def score_value(result: Mapping[str, Any], evaluation: str, key: Key) -> float | None:
    """One of the scores in a student's result; None where it has none of that name."""
    for row in result["scores"].get(evaluation, ()):
        if (row["type"], row["mode"]) == key[:2]:
            return float(row[key[2]])
    return None


def _once(groups: Iterable[Mapping[str, float]]) -> list[tuple[float, ...]]:
    """The groups' values, by what their students were made from: those that are the same under two names are one."""
    distinct = {tuple(sorted(group)): tuple(group.values()) for group in groups}
    return list(distinct.values())


def _kind(evaluation: str) -> str:
    """Folds are scored on alike."""
    return evaluation.rstrip("0123456789")
