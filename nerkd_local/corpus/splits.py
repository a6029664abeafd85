"""Subsets that nest: who is in the 500 is in the 1,000, on every machine.

Membership is by hash order of the ids, so it depends on the seed and the ids alone, not on file order or a
generator's state.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import pairwise

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest


def nested_subsets(ids: Iterable[str], sizes: Iterable[int], seed: int) -> dict[int, tuple[str, ...]]:
    """For each size that many of the ids, in hash order; each subset is a prefix of every larger one.

    The ids are read once, as a stream; memory holds as many as the largest size. The keys ascend.
    Raises InputError for a size that is negative or more than there are ids, and for a repeated id.
    """
    wanted = sorted(set(sizes))
    if not wanted:
        return {}
    if wanted[0] < 0:
        raise InputError(f"a subset of {wanted[0]} sentences is asked for; sizes are 0 or more")
    # One more than needed: of a repeated id, the second copy may fall just behind the cut.
    order = heapq.nsmallest(wanted[-1] + 1, ids, key=lambda id: digest("subset", seed, id))
    for id, following in pairwise(order):
        if id == following:
            raise InputError(f"the id {id!r} occurs more than once; ids must be unique to draw subsets")
    if len(order) < wanted[-1]:
        raise InputError(f"a subset of {wanted[-1]} sentences is asked for, but there are {len(order)}; ask for fewer")
    return {size: tuple(order[:size]) for size in wanted}


def balanced_subsets(groups: Mapping[str, Iterable[str]], sizes: Iterable[int], seed: int) -> dict[int, frozenset[str]]:
    """For each size that many ids, of each group as its share of all asks for; each subset is inside every larger one.

    Inside a group they are taken in hash order. Which group is next goes by Sainte-Laguë's rule (of a group with c ids
    the r-th, counted from 0, stands at (2r + 1) / c; of equals the earlier group's is first), under which no group's
    number ever shrinks as the size grows; with largest remainders it may. The largest size may be all there are.
    The keys ascend. Raises InputError as `nested_subsets`.
    """
    wanted = sorted(set(sizes))
    standing: list[tuple[float, int, str]] = []
    for number, ids in enumerate(map(list, groups.values())):
        (ordered,) = nested_subsets(ids, [len(ids)], seed).values()
        # equal fractions are equal floats, and unequal ones of fewer than 2^26 ids are not
        standing += [((2 * rank + 1) / len(ids), number, id) for rank, id in enumerate(ordered)]
    if wanted and wanted[-1] > len(standing):
        raise InputError(
            f"a subset of {wanted[-1]} sentences is asked for, but there are {len(standing)}; ask for fewer"
        )
    standing.sort()
    return {size: frozenset(id for _, _, id in standing[:size]) for size in wanted}


def sample(ids: Iterable[str], size: int, seed: int) -> tuple[str, ...]:
    """`size` of the ids in hash order: the subset that `nested_subsets` gives for this size and seed."""
    return nested_subsets(ids, [size], seed)[size]
