"""Intervals for F1 that take in both what varies: which documents were tested, and which seeds trained.

The data of one system is a table of counts, shape (seeds, N, 3): for every training seed and test sentence
the correct, predicted and gold entities (`evaluate.counts`). F1 of a set of sentences is 2 * correct /
(predicted + gold) of the sums, and 0 where that is 0 / 0.

Method: percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) of
clusters (Field and Welsh, Journal of the Royal Statistical Society B 69, 2007). A resample draws as many
documents as there are with replacement, each with all its sentences, the same ones for every seed, because
all seeds were tested on the same documents, and as many seeds as there are with replacement; its statistic
is the mean of the drawn seeds' F1. The seed alone moves NER by about a point (Reimers and Gurevych,
D17-1035), so an interval without it is too narrow. `groups` tells a sentence's document; without it each
sentence is a document of its own, and the result is that of drawing sentences, to the last bit.

What it assumes, and where it ends:
- Documents are exchangeable and independent. Sentences of one article are neither: the same names return, and
  a student wrong about one table is wrong in all its lines. Over documents the intervals of a student's F1 were
  2.4 times as wide as over sentences, those of differences between regimens 1.3 times (medians of 28 comparisons,
  CoNLL-2003 dev: 216 documents, 3,250 sentences).
- Few documents, or one that holds much of the text, make the interval too narrow (Cameron, Gelbach and
  Miller, Review of Economics and Statistics 90, 2008: below some 30); with a single one it has no width.
- With k seeds the seeds' variance is understated by (k - 1) / k, and with one seed it is left out entirely:
  the interval then says how this one model does on other documents. What belongs to one seed on one document
  is overstated instead, up to threefold (Owen, Annals of Applied Statistics 1, 2007: "The pigeonhole bootstrap").
- Where every document is right, or every one wrong, all resamples are equal and the interval has no width.
  That is not certainty; it is the bootstrap's blind spot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.integer]
Array: TypeAlias = npt.NDArray[np.float64]
Groups: TypeAlias = Sequence[int] | Sequence[str] | npt.NDArray[np.integer | np.str_]
Statistic: TypeAlias = Callable[[npt.NDArray[np.number]], Array]

_CELLS = 4_000_000
"""Resampling weights held at a time (32 MB): 40 resamples of 1e5 documents."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`mean` is the statistic on the data as it is, not a mean of resamples; `low` <= `high`."""

    mean: float
    low: float
    high: float


def f1_interval(
    counts: Counts, *, groups: Groups | None = None, resamples: int = 1000, level: float = 0.95, seed: int
) -> Interval:
    """The mean F1 over the seeds, with its bootstrap interval (see the module for method and limits).

    Shape of `counts`: (seeds, N, 3); of `groups`: (N,), equal for sentences of one document, in any order, numbers
    or names. All randomness comes from `seed`. Memory is bounded whatever `resamples` is; time is about two
    seconds for 1000 resamples of 1e5 documents.

    Raises ValueError for tables of another shape, or without seeds or sentences, or with impossible counts
    (negative, or more correct entities than predicted or gold ones), for fewer than one resample and for a
    level outside (0, 1).
    """
    check_counts(counts)
    document_draws, seed_draws = _generators(seed, resamples, level)
    (by_seed,) = _resampled(micro_f1, [counts], groups, resamples, document_draws)
    return _interval(micro_f1(counts.sum(axis=1)).mean(), _draw_seeds(by_seed, seed_draws).mean(axis=1), level)


def f1_difference(
    counts_a: Counts,
    counts_b: Counts,
    *,
    groups: Groups | None = None,
    paired_seeds: bool = True,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Mean F1 of a minus mean F1 of b on the same test sentences, with its bootstrap interval.

    Both systems are tested on the same resampled documents, so what makes a document hard for both cancels.
    With `paired_seeds`, row i of both tables is the same training seed (the same initial weights and the same
    order of every source), and one draw of seeds serves both; without it each has a draw of its own, and the
    numbers of seeds may differ. An interval that leaves out 0 is a difference at this level; of several
    comparisons each brings its own chance of a false one.

    Shapes: (seeds, N, 3), row j the same sentence in both, and (N,) for `groups`, as in `f1_interval`. Raises
    ValueError as that does, and for tables that do not fit together. Each comparison resamples on its own: one
    of 5 + 5 seeds takes 11 ms for 216 documents and 26 ms for 3,250, so a grid needs no sharing of work.
    """
    check_counts(counts_a)
    check_counts(counts_b)
    if counts_a.shape[1] != counts_b.shape[1]:
        raise ValueError(f"{counts_a.shape[1]} and {counts_b.shape[1]} sentences; test both on the same ones")
    if paired_seeds and len(counts_a) != len(counts_b):
        raise ValueError(f"{len(counts_a)} and {len(counts_b)} seeds cannot be paired; set paired_seeds=False")
    document_draws, seed_draws = _generators(seed, resamples, level)
    a, b = _resampled(micro_f1, [counts_a, counts_b], groups, resamples, document_draws)
    if paired_seeds:
        drawn = _draw_seeds(a - b, seed_draws).mean(axis=1)
    else:
        drawn = _draw_seeds(a, seed_draws).mean(axis=1) - _draw_seeds(b, seed_draws).mean(axis=1)
    return _interval(micro_f1(counts_a.sum(axis=1)).mean() - micro_f1(counts_b.sum(axis=1)).mean(), drawn, level)


def ratio_intervals(
    tables: Sequence[Counts],
    *,
    groups: Groups | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
) -> list[Interval]:
    """For each table the mean over the seeds of a ratio of sums, such as missed entities by gold ones, with its
    interval. One draw of documents serves all tables, and each interval is the one that its table has alone.

    As `f1_interval` in all but the statistic. Shape of a table: (seeds, N, 2), what is counted and what it is counted
    by; the ratio of a set of sentences is that of the sums, and 0 where that is 0 / 0. F1 is the ratio of twice the
    correct entities to the predicted and the gold ones. Raises ValueError for tables of different sentences too.
    """
    for counts in tables:
        _check_ratio(counts)
    if not tables:
        return []
    if len({counts.shape[1] for counts in tables}) > 1:
        raise ValueError("the tables have different numbers of sentences; the same ones are needed")
    document_draws, _ = _generators(seed, resamples, level)
    intervals = []
    for counts, by_seed in zip(tables, _resampled(_ratio, tables, groups, resamples, document_draws), strict=True):
        _, seed_draws = _generators(seed, resamples, level)
        drawn = _draw_seeds(by_seed, seed_draws).mean(axis=1)
        intervals.append(_interval(_ratio(counts.sum(axis=1)).mean(), drawn, level))
    return intervals


def ratio_difference(
    counts_a: Counts,
    counts_b: Counts,
    *,
    groups: Groups | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """The mean ratio of a minus that of b, paired by document and seed as in `f1_difference`; counts as in
    `ratio_intervals`. Raises ValueError for tables of different shapes too."""
    _check_ratio(counts_a)
    _check_ratio(counts_b)
    if counts_a.shape != counts_b.shape:
        raise ValueError(f"counts have the shapes {counts_a.shape} and {counts_b.shape}; the same is needed")
    document_draws, seed_draws = _generators(seed, resamples, level)
    a, b = _resampled(_ratio, [counts_a, counts_b], groups, resamples, document_draws)
    mean = (_ratio(counts_a.sum(axis=1)) - _ratio(counts_b.sum(axis=1))).mean()
    return _interval(mean, _draw_seeds(a - b, seed_draws).mean(axis=1), level)


def paired_resamples(
    tables: Sequence[Counts], *, groups: Groups | None = None, resamples: int = 1000, seed: int
) -> Array:
    """Several systems' mean F1 over the seeds on resamples that all of them share: the same documents, and one draw of
    the seeds, which are paired as in `f1_difference`. For what is computed from many systems at once.

    Shape of each table: (seeds, N, 3), equal for all; of the result: (resamples, tables). Raises ValueError as
    `f1_difference`, and without tables.
    """
    if not tables:
        raise ValueError("no tables; at least 1 is needed")
    for table in tables:
        check_counts(table)
    shapes = {table.shape for table in tables}
    if len(shapes) > 1:
        raise ValueError(f"tables have the shapes {sorted(shapes)}; test all with the same seeds on the same sentences")
    document_draws, seed_draws = _generators(seed, resamples, level=0.95)
    by_seed = np.stack(_resampled(micro_f1, tables, groups, resamples, document_draws), axis=2)
    drawn = seed_draws.integers(by_seed.shape[1], size=by_seed.shape[:2])
    means: Array = np.take_along_axis(by_seed, drawn[:, :, None], axis=1).mean(axis=1)
    return means


def number_documents(groups: Groups | None, sentences: int) -> npt.NDArray[np.intp]:
    """Each sentence's document as a number, 0 to the number of documents - 1, in the order they first occur.

    Shape: (sentences,). None stands for a document a sentence. Raises ValueError for `groups` of another length.
    """
    if groups is None:
        return np.arange(sentences)
    names = np.asarray(groups)
    if names.shape != (sentences,):
        raise ValueError(f"groups have the shape {names.shape}; ({sentences},) is needed, a document a sentence")
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    # np.unique sorts by name; by first occurrence, what the documents are called does not change the draws
    order = np.empty_like(first)
    order[np.argsort(first)] = np.arange(len(first))
    return order[number]


def sum_by_document(tables: Sequence[Counts], groups: Groups | None) -> Array:
    """Each document's counts in every table. Shape: (documents, C), C the tables' seeds and columns in their order."""
    number = number_documents(groups, tables[0].shape[1])
    by_sentence = np.concatenate([table.transpose(1, 0, 2).reshape(len(number), -1) for table in tables], axis=1)
    # whole numbers far below 2^53: sums are exact in any order, on any BLAS
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    return np.add.reduceat(by_sentence[order].astype(np.float64), starts, axis=0)


def _resampled(
    statistic: Statistic,
    tables: Sequence[Counts],
    groups: Groups | None,
    resamples: int,
    draws: np.random.Generator,
) -> list[Array]:
    """Each table's statistic by seed on the same resampled documents. Shapes: (resamples, seeds of the table)."""
    columns = tables[0].shape[2]
    flat = sum_by_document(tables, groups)
    documents = len(flat)
    at_once = max(1, _CELLS // documents)
    pieces = []
    for begin in range(0, resamples, at_once):
        weights = np.empty((min(at_once, resamples - begin), documents))
        for row in weights:
            row[:] = np.bincount(draws.integers(documents, size=documents), minlength=documents)
        pieces.append(statistic((weights @ flat).reshape(len(weights), -1, columns)))
    borders = np.cumsum([len(table) for table in tables])[:-1]
    return np.split(np.concatenate(pieces), borders, axis=1)


def _draw_seeds(values: Array, draws: np.random.Generator) -> Array:
    """Each row's values of as many seeds, drawn with replacement. Shape: (resamples, seeds), as before."""
    return np.take_along_axis(values, draws.integers(values.shape[1], size=values.shape), axis=1)


def micro_f1(totals: npt.NDArray[np.number]) -> Array:
    """F1 of the last axis's (correct, predicted, gold); 0 where there is nothing to find and nothing was found."""
    correct, entities = totals[..., 0], totals[..., 1] + totals[..., 2]
    result: Array = np.divide(2.0 * correct, entities, out=np.zeros(correct.shape), where=entities > 0)
    return result


def _ratio(totals: npt.NDArray[np.number]) -> Array:
    """The first of the last axis's two by the second."""
    counted, by = totals[..., 0], totals[..., 1]
    result: Array = np.divide(counted, by, out=np.zeros(counted.shape), where=by > 0)
    return result


def _interval(mean: float, drawn: Array, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(mean), float(low), float(high))


def _generators(seed: int, resamples: int, level: float) -> list[np.random.Generator]:
    """One generator for documents and one for seeds: neither's draws depend on how many the other made."""
    if resamples < 1:
        raise ValueError(f"{resamples} resamples; at least 1 is needed")
    if not 0 < level < 1:
        raise ValueError(f"a level of {level}; it must be between 0 and 1, for example 0.95")
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2)]


def _check_ratio(counts: Counts) -> None:
    if counts.ndim != 3 or counts.shape[2] != 2 or 0 in counts.shape:
        raise ValueError(f"counts have the shape {counts.shape}; (seeds, sentences, 2) is needed, none of them 0")
    if bool(np.any(counts < 0)):
        raise ValueError("counts are impossible: none is less than 0")


def check_counts(counts: Counts) -> None:
    """Raises ValueError for a table that is none of (seeds, sentences, 3), is empty, or has impossible counts."""
    if counts.ndim != 3 or counts.shape[2] != 3 or 0 in counts.shape:
        raise ValueError(f"counts have the shape {counts.shape}; (seeds, sentences, 3) is needed, none of them 0")
    correct, predicted, gold = counts[..., 0], counts[..., 1], counts[..., 2]
    if bool(np.any((correct < 0) | (correct > predicted) | (correct > gold))):
        raise ValueError("counts are impossible: correct entities must be among the predicted and the gold ones")
