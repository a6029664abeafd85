"""How many sentences each rung of a search has, and which candidates climb on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TypeVar

from nerkd_local.tune.settings import HalvingSettings

T = TypeVar("T")

FEWEST = 2
"""Candidates on the last rung: the winner is compared with somebody on all sentences."""


def rungs(total: int, halving: HalvingSettings | None, cut: Callable[[int], int] = lambda size: size) -> list[int]:
    """The rungs' sizes, ascending; the last is `total`. `cut` moves a size to where the sentences may be divided.

    A rung that would be nearly the last one (the next step goes beyond it) is still a rung: 25, 50, 100, 175.
    """
    sizes = []
    size = float(halving.first) if halving else float(total)
    while size < total:
        assert halving is not None
        sizes.append(min(cut(ceil(size)), total))
        size *= halving.factor
    return sorted({*sizes, total})


def keep_best(ranked: Sequence[T], halving: HalvingSettings) -> list[T]:
    """Those that climb on, of candidates that are ranked, the best first."""
    return list(ranked[: max(FEWEST, ceil(halving.keep * len(ranked) - 1e-9))])
