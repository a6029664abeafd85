"""Whether confidences can be trusted: how far they are from the share that is right, and how well they put what is
right before what is wrong. Plain arrays: `confidence`, float in [0, 1], and `right`, 0 or 1, shape (N,) each.

- ECE, the expected calibration error (Naeini et al., AAAI 2015): the mean distance between confidence and share right
  over bins, here of equal mass (Nixon et al., CVPR Workshops 2019), since confidences crowd near 1. It depends on the
  number of bins, and few entities in a bin make it larger than it is.
- Brier score: the mean squared distance between confidence and 0 or 1.
- Risk and coverage (El-Yaniv and Wiener, JMLR 11, 2010): of the share that is kept, the surest first, how much is
  wrong. AURC is its mean over all coverages (Geifman et al., ICLR 2019); kept at random it is the share wrong, and the
  least that is possible is not 0, since at coverage 1 everything is kept.

Intervals draw documents with replacement, each with all that was found in it (percentile bootstrap of clusters, as in
`bootstrap`, with the limits named there); one model, so the seeds' share is left out. A difference draws the same
documents for both. An ECE is mostly larger in a draw than in the sample, as a draw repeats some documents and lacks
others: its interval reaches further up than down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nerkd_local.stats.bootstrap import Array, Groups, Interval, number_documents

BINS = 15

Statistic = Callable[..., float]
"""A figure of any number of arrays with the same first axis."""


@dataclass(frozen=True, slots=True)
class Bin:
    """So many entities of neighbouring confidences, their mean confidence, and the share of them that is right."""

    count: int
    confidence: float
    right: float


def reliability_bins(confidence: Array, right: Array, bins: int = BINS) -> list[Bin]:
    """Bins of equal mass, by rising confidence: their sizes differ by one at most. Fewer where there is less than one
    entity for each. Equal confidences may be parted by a border; what they have is shared evenly before that.
    """
    _check(confidence, right)
    if len(confidence) == 0:
        return []
    order = np.argsort(confidence, kind="stable")
    sure, hits = confidence[order], _shared(confidence[order], right[order])
    pieces = (np.array_split(column, min(bins, len(sure))) for column in (sure, hits))
    return [Bin(len(each), float(each.mean()), float(share.mean())) for each, share in zip(*pieces, strict=True)]


def ece(confidence: Array, right: Array, bins: int = BINS) -> float:
    """The expected calibration error over bins of equal mass; 0 without entities."""
    found = reliability_bins(confidence, right, bins)
    total = sum(each.count for each in found)
    return sum(each.count * abs(each.confidence - each.right) for each in found) / max(total, 1)


def brier(confidence: Array, right: Array) -> float:
    """The mean squared error of the confidence; 0 without entities."""
    _check(confidence, right)
    return float(np.mean((confidence - right) ** 2)) if len(confidence) else 0.0


def risk_coverage(confidence: Array, right: Array) -> tuple[Array, Array]:
    """Coverages 1/N, 2/N, ... 1 and the share wrong among so many of the surest. Shape: (N,) each.

    Any ranking will do for `confidence`. What is equally sure is kept in no order: the risk within such a group is what
    it is on average over all orders.
    """
    _check(confidence, right)
    order = np.argsort(confidence, kind="stable")
    wrong = 1.0 - _shared(confidence[order], right[order])[::-1]
    kept = np.arange(1, len(wrong) + 1)
    risk: Array = np.cumsum(wrong) / kept
    coverage: Array = kept / max(len(wrong), 1)
    return coverage, risk


def aurc(confidence: Array, right: Array) -> float:
    """The area under the risk-coverage curve: the mean of its risks; 0 without entities."""
    _, risk = risk_coverage(confidence, right)
    return float(risk.mean()) if len(risk) else 0.0


def share_wrong(right: Array) -> float:
    """What AURC is where entities are kept at random; 0 without entities."""
    return float(1.0 - right.mean()) if len(right) else 0.0


def document_interval(
    statistic: Statistic,
    *arrays: Array,
    groups: Groups | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """`statistic(*arrays)` with its bootstrap interval over documents.

    `groups` tells each row's document, as in `bootstrap`; without it each row is one. Raises ValueError for no rows,
    arrays of different lengths, fewer than one resample and a level outside (0, 1).
    """
    rows = len(arrays[0])
    if rows == 0 or any(len(array) != rows for array in arrays):
        raise ValueError(f"arrays of {[len(array) for array in arrays]} rows; at least one row, the same in all")
    if resamples < 1 or not 0 < level < 1:
        raise ValueError(f"{resamples} resamples at the level {level}; at least 1, and a level between 0 and 1")
    number = number_documents(groups, rows)
    documents = int(number.max()) + 1
    draws = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    order = np.argsort(arrays[0], kind="stable")  # what is in order is sorted in no time, as each statistic does
    values = np.empty(resamples)
    for index in range(resamples):
        times = np.bincount(draws.integers(documents, size=documents), minlength=documents)
        chosen = np.repeat(order, times[number[order]])
        values[index] = statistic(*(array[chosen] for array in arrays))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(*arrays)), float(low), float(high))


def _shared(confidence: Array, right: Array) -> Array:
    """The rights, in sorted order, with the mean of its group for each entity of equal confidence."""
    if len(confidence) == 0:
        return right
    starts = np.flatnonzero(np.r_[True, confidence[1:] != confidence[:-1]])
    sizes = np.diff(np.r_[starts, len(confidence)])
    shared: Array = np.repeat(np.add.reduceat(right, starts) / sizes, sizes)
    return shared


def _check(confidence: npt.NDArray[np.floating], right: npt.NDArray[np.floating]) -> None:
    if confidence.ndim != 1 or confidence.shape != right.shape:
        raise ValueError(f"confidences of shape {confidence.shape} and rights of {right.shape}; (N,) each is needed")


def as_arrays(*columns: Sequence[float]) -> tuple[Array, ...]:
    """Columns as float64 arrays."""
    return tuple(np.asarray(column, dtype=np.float64) for column in columns)
