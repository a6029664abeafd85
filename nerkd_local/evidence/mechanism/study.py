"""Runs that differ in the learning rate alone, as conditions: a schedule, an order of the sources, an exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nerkd_local.errors import InputError
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import Counts, Line

LAST, THROUGHOUT, FIRST = "human labels last (simple_mix)", "throughout (mixed)", "human labels first (reverse)"
ORDERS = {"simple_mix": LAST, "mixed": THROUGHOUT, "reverse": FIRST}
PURE = ("original_only", "distilled_only")
EXPOSURES = {"1/3": 1 / 3, "1/2": 1 / 2, "2/3": 2 / 3}
NEAR = 0.005
"""How far a mean share may be from one of these: 2,400 examples cannot be divided by 3 exactly in every order."""
RATES = ("linear", "constant", "rewarmed")
MIXED_AS_IS = "as it is"


@dataclass(frozen=True)
class Cell:
    """One condition: a learning-rate schedule, an order (or a pure regimen's name), and an exposure's name."""

    rate: str
    order: str
    exposure: str

    @property
    def name(self) -> str:
        return f"{self.rate}, {self.order}, {self.exposure}"


@dataclass(frozen=True)
class Study:
    """All runs' counts by condition, of the same seeds and sentences. Shape of each: (seeds, sentences, 3)."""

    runs: Mapping[str, Run]
    cells: Mapping[Cell, Counts]
    regimens: Mapping[Cell, str]
    shares: Mapping[Cell, float]
    seeds: tuple[int, ...]
    documents: npt.NDArray[np.int64]

    @cached_property
    def rates(self) -> list[str]:
        return [rate for rate in RATES if rate in self.runs]


def read_study(runs: Sequence[Run]) -> Study:
    """Raises InputError for runs that cannot be compared, and where they have no finished seed in common."""
    by_rate = check_alike(runs)
    found: dict[Cell, tuple[Run, Line]] = {}
    shares: dict[Cell, float] = {}
    for rate, run in by_rate.items():
        for line in run.lines:
            base = line.regimen.partition("@")[0]
            share = realised_share(run, line)
            if line.regimen in PURE:
                cell = Cell(rate, line.regimen, "all" if line.regimen == "distilled_only" else "none")
            elif base in ORDERS:
                named = [name for name, value in EXPOSURES.items() if abs(share - value) < NEAR]
                cell = Cell(rate, ORDERS[base], named[0] if named else MIXED_AS_IS)
            else:
                continue
            found[cell], shares[cell] = (run, line), share
    if not found:
        raise InputError(f"no student of {', '.join((*ORDERS, *PURE))} is finished in these runs; let them go on")
    seeds = set.intersection(*(set(run.seeds(line)) for run, line in found.values()))
    if not seeds:
        raise InputError("the runs' regimens have no finished seed in common; let them go on")
    ordered = tuple(sorted(seeds))
    return Study(
        by_rate,
        {cell: run.counts(line, ordered) for cell, (run, line) in found.items()},
        {cell: line.regimen for cell, (_, line) in found.items()},
        shares,
        ordered,
        next(iter(by_rate.values())).documents(next(iter(found.values()))[1].size),
    )


def check_alike(runs: Sequence[Run]) -> dict[str, Run]:
    """The runs by learning-rate schedule."""
    found: dict[str, Run] = {}
    for run in runs:
        rate = run.settings.training.schedule
        if rate in found:
            raise InputError(f"has the schedule {rate!r}, as {found[rate].folder.root} has", path=run.folder.root)
        if len(set(run.settings.original.sizes)) > 1:
            raise InputError("has several original sizes; one is compared", path=run.folder.root)
        found[rate] = run
    first = runs[0]
    for run in runs:
        if scored_on(run) != scored_on(first):
            raise InputError(f"is not scored on the sentences that {first.folder.root} is", path=run.folder.root)
        if trained_on(run) != trained_on(first):
            raise InputError(
                f"is trained on other sentences, or otherwise than {first.folder.root}: only the learning-rate "
                "schedule may differ",
                path=run.folder.root,
            )
    return found


def scored_on(run: Run) -> set[str]:
    """Digests of the evaluation files of all its students."""
    return {digest for result in run.results.values() for digest in result["made_from"]["evaluation"].values()}


def trained_on(run: Run) -> set[str]:
    """What all its students have in common, whatever they read: of one run one text, or two sources."""
    free = ("plan", "original", "distilled", "schedule", "seed", "channel")
    kinds = {
        repr(sorted((name, value) for name, value in result["made_from"]["training"].items() if name not in free))
        for result in run.results.values()
    }
    sources = {
        f"{name} {result['made_from']['training'][name]}"
        for result in run.results.values()
        for name in ("original", "distilled")
        if result["made_from"]["training"][name] is not None
    }
    return kinds | sources


def realised_share(run: Run, line: Line) -> float:
    """W, over all the students of a line."""
    examples = [run.results[name]["examples"] for seed in run.seeds(line) for name, _ in line.parts[seed]]
    distilled, original = (sum(each[source] for each in examples) for source in ("distilled", "original"))
    return float(distilled / (distilled + original))
