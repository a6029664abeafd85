"""Two systems compared on the same sentences: one record of what can be said about their difference.

It brings together the paired bootstrap's interval (`bootstrap`: the one of the result tables), the test that takes in
documents and seeds (`randomisation`), what such an evaluation can find at all (`detectable`), and Holm's correction
over the family of comparisons that were made (`holm`). A is ahead where a difference is positive.

The effect in entities is counted per 1,000 gold ones, each seed by itself and then averaged: `found` is 1000 (C_a -
C_b) / G, how many more are found exactly, and `spared` 1000 ((P_b - C_b) - (P_a - C_a)) / G, how many fewer of those
predicted are wrong (invented, or with another type or border); C, P and G are the correct, predicted and gold
entities. Where both are small, F1 moves by about (found (2 - F1) + F1 spared) / 2000.

Two intervals, because they answer two questions: `f1` is where the difference lies by the percentile bootstrap, which
with few seeds is too narrow; `supported` holds the differences that the test does not reject. The first may leave out 0
where the second does not; only both together are called a difference, and "no difference larger than" is about the one
that reaches further, so that the words do not deny what is in the interval beside them. Either holds at its level for
one comparison by itself: of many, some leave out the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nerkd_local.stats.bootstrap import Counts, Groups, Interval, f1_difference, number_documents, ratio_difference
from nerkd_local.stats.detectable import seeds_to_find, smallest_found
from nerkd_local.stats.holm import holm
from nerkd_local.stats.randomisation import RESAMPLES, randomise


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """System a against system b; differences are a minus b. All F1 in [0, 1]."""

    seeds: int
    documents: int
    gold: int
    """Gold entities of the evaluation."""
    level: float
    f1: Interval
    """The difference in mean F1 with its bootstrap interval."""
    supported: Interval
    """The same difference with all that the test does not reject; infinite where resamples are too few for the
    level."""
    found: Interval
    """Per 1,000 gold entities, how many more a finds exactly."""
    spared: Interval
    """Per 1,000 gold entities, how many fewer wrong ones a predicts."""
    p: float
    """Of the test over documents and seeds; with one seed over documents alone, about two models."""
    p_models: float
    """Of swapping documents alone: about these trained models, whatever luck their seeds had."""
    smallest: float
    """The true difference that such an evaluation finds four times in five, uncorrected."""
    seeds_needed: int | None
    """About how many seeds would find a true difference of the size that was seen, four times in five, after
    correction for the family; None where no number can be named (`detectable.seeds_to_find`)."""
    adjusted: float
    """`p` after Holm's correction over its family; `p` itself for a comparison that is a family alone."""
    adjusted_models: float
    """The same of `p_models`."""

    @property
    def largest(self) -> float:
        """The largest difference, to either side, in `supported` or in `f1`."""
        return max(abs(end) for interval in (self.supported, self.f1) for end in (interval.low, interval.high))


def compare_systems(
    counts_a: Counts,
    counts_b: Counts,
    *,
    groups: Groups | None = None,
    family: int = 1,
    level: float = 0.95,
    power: float = 0.8,
    bootstraps: int = 1000,
    resamples: int = RESAMPLES,
    seed: int,
) -> Comparison:
    """Compare a with b; row i of both is one training seed, row j one sentence.

    Shapes: (seeds, N, 3), and (N,) for `groups`, as in `bootstrap.f1_difference`, whose interval is the same for the
    same `seed`. `family`: how many comparisons will be corrected together; `seeds_needed` is about standing out among
    so many. Equal tables differ by 0 in everything, with p = 1. Raises ValueError for tables that are no counts or do
    not fit together, and parameters outside their range.
    """
    if family < 1:
        raise ValueError(f"a family of {family} comparisons; this one is in it")
    test = randomise(counts_a, counts_b, groups=groups, resamples=resamples, seed=seed)
    f1 = f1_difference(counts_a, counts_b, groups=groups, level=level, resamples=bootstraps, seed=seed)

    def per_thousand(a: Counts, b: Counts, gold: Counts) -> Interval:
        shared = {"groups": groups, "level": level, "resamples": bootstraps, "seed": seed}
        tables = (np.stack([table, gold], axis=-1) for table in (a, b))
        of_one = ratio_difference(*tables, **shared)  # type: ignore[arg-type]
        return Interval(*(1000 * value for value in (of_one.mean, of_one.low, of_one.high)))

    gold = counts_a[..., 2]
    return Comparison(
        seeds=test.seeds,
        documents=int(number_documents(groups, counts_a.shape[1]).max()) + 1,
        gold=int(gold[0].sum()),
        level=level,
        f1=f1,
        supported=test.interval(level),
        found=per_thousand(counts_a[..., 0], counts_b[..., 0], gold),
        spared=per_thousand(counts_b[..., 1] - counts_b[..., 0], counts_a[..., 1] - counts_a[..., 0], gold),
        p=test.p,
        p_models=test.p_models,
        smallest=smallest_found(test, level=level, power=power),
        seeds_needed=seeds_to_find(f1.mean, test, level=1 - (1 - level) / family, power=power),
        adjusted=test.p,
        adjusted_models=test.p_models,
    )


def adjust(family: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same comparisons with p-values that hold for all of them together (Holm); in the same order."""
    adjusted = holm([each.p for each in family])
    of_models = holm([each.p_models for each in family])
    return tuple(
        replace(each, adjusted=p, adjusted_models=p_models)
        for each, p, p_models in zip(family, adjusted, of_models, strict=True)
    )
