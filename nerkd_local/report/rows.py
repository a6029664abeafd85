"""What one line of a result is.

Scores are strict and in [0, 1]; means are over the seeds, an interval is that of the mean. Tables and figures print
what the rows hold and compute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One regimen with one mix of distilled sources and one number of human-labelled sentences, over its seeds.

    `mix` is None where no distilled labels are read, `original_size` where none of the human ones at hand are and
    the row belongs to no size. `f1_seeds` are the single seeds' F1. `difference_*` is F1 minus that of
    original_only with as many human labels, paired by seed and document; None for original_only itself and where
    there is nothing to compare with. `lenient_mean` may be unknown.
    """

    regimen: str
    mix: str | None
    original_size: int | None
    seeds: int
    f1_mean: float
    f1_low: float
    f1_high: float
    f1_seeds: tuple[float, ...]
    difference_mean: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    lenient_mean: float | None = None
    precision: float
    recall: float

    @property
    def difference(self) -> tuple[float, float, float] | None:
        """Mean, low and high of the difference to original_only; None unless all three are there."""
        if self.difference_mean is None or self.difference_low is None or self.difference_high is None:
            return None
        return self.difference_mean, self.difference_low, self.difference_high

    @property
    def differs(self) -> bool | None:
        """Whether that interval leaves out 0; None without a difference."""
        return None if self.difference is None else bool(self.difference[1] > 0 or self.difference[2] < 0)


@dataclass(frozen=True, slots=True)
class LabelsRow:
    """Students trained on a number of sentences with one kind of labels: the same sentences for both kinds."""

    labels: Literal["human", "LLM"]
    sentences: int
    seeds: int
    f1_mean: float
    f1_low: float
    f1_high: float
    f1_seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorRow:
    """An annotator's own labels, by how it was asked, scored against human ones on `sentences` sentences.

    `output_tokens`: all that it wrote for them; `seconds`: how long that took, where it was measured.
    """

    annotator: str
    prompt: str
    format: str
    sentences: int
    f1: float
    low: float
    high: float
    precision: float
    recall: float
    output_tokens: int
    seconds: float | None = None
