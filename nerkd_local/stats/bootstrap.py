"""Intervals for F1 that take in both what varies: which sentences were tested, and which seeds trained.

The data of one system is a table of counts, shape (seeds, N, 3): for every training seed and test sentence
the correct, predicted and gold entities (`evaluate.counts`). F1 of a set of sentences is 2 * correct /
(predicted + gold) of the sums, and 0 where that is 0 / 0.

Method: percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). A
resample draws N sentences with replacement, the same ones for every seed, because all seeds were tested on
the same sentences, and as many seeds as there are with replacement; its statistic is the mean of the drawn
seeds' F1. The seed alone moves NER by about a point (Reimers and Gurevych, D17-1035), so an interval
without it is too narrow.

What it assumes, and where it ends:
- Sentences are exchangeable. Sentences of one article are not quite: the interval is then somewhat narrow.
- With k seeds the seeds' variance is understated by (k - 1) / k, and with one seed it is left out entirely:
  the interval then says how this one model does on other sentences.
- Where every sentence is right, or every one wrong, all resamples are equal and the interval has no width.
  That is not certainty; it is the bootstrap's blind spot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.integer]
Array: TypeAlias = npt.NDArray[np.float64]

_CELLS = 4_000_000
"""Resampling weights held at a time (32 MB): 40 resamples of 1e5 sentences."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`mean` is the statistic on the data as it is, not a mean of resamples; `low` <= `high`."""

    mean: float
    low: float
    high: float


def f1_interval(counts: Counts, *, resamples: int = 1000, level: float = 0.95, seed: int) -> Interval:
    """The mean F1 over the seeds, with its bootstrap interval (see the module for method and limits).

    Shape of `counts`: (seeds, N, 3). All randomness comes from `seed`. Memory is bounded whatever `resamples`
    is; time is about two seconds for 1000 resamples of 1e5 sentences.

    Raises ValueError for a table of another shape, or without seeds or sentences, or with impossible counts
    (negative, or more correct entities than predicted or gold ones), for fewer than one resample and for a
    level outside (0, 1).
    """
    _check(counts)
    sentence_draws, seed_draws = _generators(seed, resamples, level)
    (by_seed,) = _resampled_f1([counts], resamples, sentence_draws)
    return _interval(_f1(counts.sum(axis=1)).mean(), _draw_seeds(by_seed, seed_draws).mean(axis=1), level)


def f1_difference(
    counts_a: Counts,
    counts_b: Counts,
    *,
    paired_seeds: bool = True,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Mean F1 of a minus mean F1 of b on the same test sentences, with its bootstrap interval.

    Both systems are tested on the same resampled sentences, so what makes a sentence hard for both cancels.
    With `paired_seeds`, row i of both tables is the same training seed (the same initial weights and the same
    order of every source), and one draw of seeds serves both; without it each has a draw of its own, and the
    numbers of seeds may differ. An interval that leaves out 0 is a difference at this level; of several
    comparisons each brings its own chance of a false one.

    Shapes: (seeds, N, 3), row j the same sentence in both. Raises ValueError as `f1_interval` does, and for
    tables that do not fit together.
    """
    _check(counts_a)
    _check(counts_b)
    if counts_a.shape[1] != counts_b.shape[1]:
        raise ValueError(f"{counts_a.shape[1]} and {counts_b.shape[1]} sentences; test both on the same ones")
    if paired_seeds and len(counts_a) != len(counts_b):
        raise ValueError(f"{len(counts_a)} and {len(counts_b)} seeds cannot be paired; set paired_seeds=False")
    sentence_draws, seed_draws = _generators(seed, resamples, level)
    a, b = _resampled_f1([counts_a, counts_b], resamples, sentence_draws)
    if paired_seeds:
        drawn = _draw_seeds(a - b, seed_draws).mean(axis=1)
    else:
        drawn = _draw_seeds(a, seed_draws).mean(axis=1) - _draw_seeds(b, seed_draws).mean(axis=1)
    return _interval(_f1(counts_a.sum(axis=1)).mean() - _f1(counts_b.sum(axis=1)).mean(), drawn, level)


def _resampled_f1(tables: Sequence[Counts], resamples: int, draws: np.random.Generator) -> list[Array]:
    """Each table's F1 by seed on the same resampled sentences. Shapes: (resamples, seeds of the table)."""
    sentences = tables[0].shape[1]
    flat = np.concatenate([table.transpose(1, 0, 2).reshape(sentences, -1) for table in tables], axis=1)
    flat = flat.astype(np.float64)  # whole numbers far below 2^53: sums are exact in any order, on any BLAS
    at_once = max(1, _CELLS // sentences)
    pieces = []
    for begin in range(0, resamples, at_once):
        weights = np.empty((min(at_once, resamples - begin), sentences))
        for row in weights:
            row[:] = np.bincount(draws.integers(sentences, size=sentences), minlength=sentences)
        pieces.append(_f1((weights @ flat).reshape(len(weights), -1, 3)))
    borders = np.cumsum([len(table) for table in tables])[:-1]
    return np.split(np.concatenate(pieces), borders, axis=1)


def _draw_seeds(values: Array, draws: np.random.Generator) -> Array:
    """Each row's values of as many seeds, drawn with replacement. Shape: (resamples, seeds), as before."""
    return np.take_along_axis(values, draws.integers(values.shape[1], size=values.shape), axis=1)


def _f1(totals: npt.NDArray[np.number]) -> Array:
    """F1 of the last axis's (correct, predicted, gold)."""
    correct, entities = totals[..., 0], totals[..., 1] + totals[..., 2]
    result: Array = np.divide(2.0 * correct, entities, out=np.zeros(correct.shape), where=entities > 0)
    return result


def _interval(mean: float, drawn: Array, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(mean), float(low), float(high))


def _generators(seed: int, resamples: int, level: float) -> list[np.random.Generator]:
    """One generator for sentences and one for seeds: neither's draws depend on how many the other made."""
    if resamples < 1:
        raise ValueError(f"{resamples} resamples; at least 1 is needed")
    if not 0 < level < 1:
        raise ValueError(f"a level of {level}; it must be between 0 and 1, for example 0.95")
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2)]


def _check(counts: Counts) -> None:
    if counts.ndim != 3 or counts.shape[2] != 3 or 0 in counts.shape:
        raise ValueError(f"counts have the shape {counts.shape}; (seeds, sentences, 3) is needed, none of them 0")
    correct, predicted, gold = counts[..., 0], counts[..., 1], counts[..., 2]
    if bool(np.any((correct < 0) | (correct > predicted) | (correct > gold))):
        raise ValueError("counts are impossible: correct entities must be among the predicted and the gold ones")
