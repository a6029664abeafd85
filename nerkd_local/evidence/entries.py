"""Lines of one or several runs as they are compared: with a name, their scores, and who is the same students."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nerkd_local.errors import InputError
from nerkd_local.evidence.chosen import line_name
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.lines import Counts, Line
from nerkd_local.stats.bootstrap import Groups, Interval, f1_interval


@dataclass(frozen=True, eq=False)
class Entry:
    """A line with its scores. `run` is its folder's name where there are several, else empty; `level` is that of the
    interval."""

    run: str
    name: str
    line: Line
    source: Run
    level: float = 0.95
    others: tuple[Entry, ...] = ()
    """Other lines of the very same students."""

    @property
    def size(self) -> int:
        return self.line.size

    @cached_property
    def counts(self) -> Mapping[int, Counts]:
        """By finished seed; shape (sentences, 3)."""
        seeds = self.source.seeds(self.line)
        return dict(zip(seeds, self.source.counts(self.line, seeds), strict=True))

    @cached_property
    def groups(self) -> Groups:
        """The sentences' documents."""
        return self.source.documents(self.size)

    @cached_property
    def f1(self) -> Interval:
        """The mean over its seeds, with its interval."""
        counts = self.over(list(self.counts))
        return f1_interval(counts, groups=self.groups, level=self.level, seed=RESAMPLING_SEED)

    @property
    def twins(self) -> tuple[str, ...]:
        """Other names of the very same students."""
        return tuple(other.name for other in self.others)

    @property
    def same(self) -> tuple[Entry, ...]:
        """This one and its twins."""
        return (self, *self.others)

    @property
    def full_name(self) -> str:
        """With its twins."""
        return f"{self.name} (= {', '.join(self.twins)})" if self.twins else self.name

    def over(self, seeds: Sequence[int]) -> Counts:
        """Shape: (seeds, sentences, 3)."""
        return np.stack([self.counts[seed] for seed in seeds])

    def is_twin(self, other: Entry) -> bool:
        """Whether both are the same students: made from the same, with equal counts, for all seeds that they share."""
        shared = shared_seeds(self, other)
        return bool(shared) and all(
            _made_from(self, seed) == _made_from(other, seed) and np.array_equal(self.counts[seed], other.counts[seed])
            for seed in shared
        )


def list_entries(runs: Sequence[Run], level: float) -> Iterator[Entry]:
    """Every line with a finished student; `level` is that of their intervals. Raises InputError for a run that is named
    twice."""
    names = _run_names(runs)
    for name, run in zip(names, runs, strict=True):
        for line in run.lines:
            label = line_name(run, line)
            yield Entry(name, f"{name}: {label}" if name else label, line, run, level)


def merge_twins(entries: Sequence[Entry]) -> list[Entry]:
    """One entry for each student, under its first name: of twins with different numbers of seeds, the one with most."""
    groups: list[list[Entry]] = []
    for entry in entries:
        group = next((each for each in groups if each[0].size == entry.size and each[0].is_twin(entry)), None)
        if group is None:
            groups.append([entry])
        else:
            group.append(entry)
    merged = []
    for group in groups:
        first = max(group, key=lambda entry: len(entry.counts))
        merged.append(replace(first, others=tuple(entry for entry in group if entry is not first)))
    return merged


def shared_seeds(one: Entry, other: Entry) -> list[int]:
    """The seeds of which both have all students."""
    return [seed for seed in one.counts if seed in other.counts]


def is_reference(entry: Entry, to: str) -> bool:
    """Whether `to` names it or a twin of it, as a regimen or as a line."""
    return any(to in (each.line.regimen, each.name) for each in entry.same)


def _run_names(runs: Sequence[Run]) -> list[str]:
    """Their folders' names; more of the path where these are the same; empty for a run alone."""
    if len(runs) == 1:
        return [""]
    parts = [run.folder.root.absolute().parts for run in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise InputError("is named twice; name every run once", path=runs[0].folder.root)


def _made_from(entry: Entry, seed: int) -> list[object]:
    """What the students of a seed were trained on."""
    return [entry.source.results[name]["made_from"]["training"] for name, _ in entry.line.parts[seed]]
