"""The order in which a source is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import hash_order
from nerkd_local.records import Source


def read_source(ids: Collection[str], source: Source, seed: int) -> Iterator[str]:
    """The source's ids without end: pass after pass, each pass every id once, in an order of its own.

    Pass p is ordered by hash from (seed, source, p). So the stream depends on nothing but the ids, the source
    and the seed: not on the order the ids come in, not on the regimen that reads it, not on the machine. Two
    regimens that share a seed read the same examples in the same order, only at another pace, and a subset's
    first pass is the larger set's first pass with the others left out.

    Memory and time of a pass: one sort of the ids. Raises InputError for ids that repeat; an empty source is
    an empty stream.
    """
    unique: set[str] = set()
    for id in ids:
        if id in unique:
            raise InputError(f"the id {id!r} occurs twice in the {source} source; ids must be unique")
        unique.add(id)
    return _passes(unique, source, seed)


def _passes(ids: set[str], source: Source, seed: int) -> Iterator[str]:
    for number in count() if ids else ():
        yield from hash_order(ids, seed, source, number)
