"""What one line of a result is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One regimen with one number of human-labelled sentences, over all its seeds.

    Scores are in [0, 1] and strict, but for `lenient_mean`; `f1_mean`, `lenient_mean`, `precision` and
    `recall` are means over the seeds, `f1_low` and `f1_high` the interval of the mean, `f1_seeds` the single
    seeds' F1.
    """

    regimen: str
    original_size: int
    seeds: int
    f1_mean: float
    f1_low: float
    f1_high: float
    f1_seeds: tuple[float, ...]
    lenient_mean: float
    precision: float
    recall: float
