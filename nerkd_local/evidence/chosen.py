"""Which lines are looked at closely, and what they are compared with: there are too many to show all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import Line
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.stats.bootstrap import micro_f1

PAPER = "simple_mix"
"""The regimen that the paper found best."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The lines of one size: `reference`, and the `others` that are compared with it, the best first."""

    size: int
    reference: Line
    others: tuple[Line, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """All of them, the reference first."""
        return (self.reference, *self.others)


def choose_lines(
    run: Run, size: int, others: Collection[str] | None = None, reference: str = BASELINE
) -> Chosen | None:
    """The reference, the best of the others by mean F1, and the paper's simple_mix; or the lines named.

    `others` are names as `line_name` gives them. Where no line is called `reference`, the first of the table's order
    that does not lead is taken, so sizes can have different references. simple_mix is that with the mix of the best, or
    else the first. None where the size has fewer than two lines to compare. The best was found on the very sentences
    that it is looked at on, so its lead is flattered.
    """
    lines = [line for line in run.lines if line.size == size]
    if len(lines) < 2:
        return None
    ranked = sorted(lines, key=lambda line: -mean_f1(run, line))
    named = next((line for line in lines if reference in (line.regimen, line_name(run, line))), None)
    base = named or next(line for line in lines if line is not ranked[0])
    if others is not None:
        wanted = [line for line in lines if line_name(run, line) in others and line is not base]
    else:
        leader = next(line for line in ranked if line is not base)
        papers = [line for line in lines if line.regimen == PAPER and line is not base]
        paper = next((line for line in papers if line.mix == leader.mix), papers[0] if papers else leader)
        wanted = [leader] if paper is leader else [leader, paper]
    return Chosen(size, base, tuple(wanted)) if wanted else None


def line_name(run: Run, line: Line) -> str:
    """The regimen, with its mix where the run has several."""
    several = len({each.mix for each in run.lines if each.mix}) > 1
    return f"{line.regimen} ({line.mix})" if several and line.mix else line.regimen


def f1_by_seed(run: Run, line: Line) -> dict[int, float]:
    """Each finished seed's F1 over all sentences."""
    seeds = run.seeds(line)
    return dict(zip(seeds, map(float, micro_f1(run.counts(line, seeds).sum(axis=1))), strict=True))


def mean_f1(run: Run, line: Line) -> float:
    """The mean over the finished seeds."""
    return float(np.mean(list(f1_by_seed(run, line).values())))


def typical_seed(run: Run, line: Line, among: Sequence[int] | None = None) -> int:
    """The seed whose F1 is nearest the line's mean, of equals the smallest; among those named, or all."""
    values = f1_by_seed(run, line)
    mean = float(np.mean(list(values.values())))
    return min(values if among is None else among, key=lambda seed: (abs(values[seed] - mean), seed))
