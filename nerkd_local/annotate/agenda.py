"""What is still to be asked: which sentences, and which of them stand for others of the same text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.sentences import Sentences
from nerkd_local.errors import InputError

Numbers = NDArray[np.int64]


class Agenda:
    """The sentences of a corpus (or of one shard) without an answer, worked out from keys alone.

    Of sentences with the same key, the first is asked and the others are its copies. Shard i of n has the texts whose
    key, as an unsigned number, leaves i - 1 when divided by n: which depends on the text alone, so that copies are
    never apart, and a corpus that grows keeps its shards.

    Memory: some tens of bytes a sentence while it is made, a few after.
    """

    def __init__(
        self,
        sentences: Sentences,
        answered: Numbers,
        answered_keys: Numbers,
        *,
        shard: int = 1,
        shards: int = 1,
        deduplicate: bool = True,
    ) -> None:
        """`answered` holds the numbers of the sentences with a stored answer, ascending, `answered_keys` the keys of
        the texts they answer. Raises InputError if a sentence has another text now, or none.
        """
        keys = np.asarray(sentences.keys)
        _check_same_texts(sentences, keys, answered, answered_keys)
        here = np.ones(len(keys), dtype=bool) if shards == 1 else in_shard(keys, shard, shards)
        self.total = int(here.sum())
        open_ = here.copy()
        open_[answered] = False
        self.answered = self.total - int(open_.sum())

        has_answer = ~open_ & here
        copies = np.zeros(len(keys), dtype=bool)
        self._copies = self._copied = np.zeros(0, dtype=np.int64)
        if deduplicate:
            first = _first_of_same(keys)
            np.not_equal(first, np.arange(len(keys), dtype=first.dtype), out=copies)
            copies &= open_
            numbers = np.flatnonzero(copies)
            order = np.argsort(first[numbers], kind="stable")
            self._copies, self._copied = numbers[order], first[numbers][order].astype(np.int64)
            del first
        self.asked: Numbers = np.flatnonzero(open_ & ~copies)
        """The sentences to ask, ascending."""
        self.late: Numbers = np.unique(self._copied[has_answer[self._copied]])
        """Sentences that have their answer already, while copies of them have none."""

    @property
    def copies(self) -> int:
        """How many sentences get the answer of another."""
        return len(self._copies)

    def missing(self, only: Numbers | None = None) -> int:
        """How many sentences (of `only`, where that is given) have no answer."""
        if only is None:
            return self.total - self.answered
        return int(np.isin(only, self.asked).sum() + np.isin(only, self._copies).sum())

    def copies_of(self, number: int) -> Iterator[int]:
        """The sentences that wait for this one's answer."""
        low, high = np.searchsorted(self._copied, [number, number + 1])
        return iter(self._copies[low:high].tolist())


def in_shard(keys: Numbers, shard: int, shards: int) -> NDArray[np.bool_]:
    """Which of the keys belong to shard `shard` (from 1) of `shards`."""
    found: NDArray[np.bool_] = np.asarray(keys).view(np.uint64) % np.uint64(shards) == np.uint64(shard - 1)
    return found


def _first_of_same(keys: Numbers) -> NDArray[Any]:
    """For each position the first position with the same key. Made with care for memory: see the class."""
    size: Any = np.int32 if len(keys) <= np.iinfo(np.int32).max else np.int64
    order = np.argsort(keys, kind="stable").astype(size)
    ordered = keys[order]
    starts = np.ones(len(keys), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    del ordered
    group = np.cumsum(starts, dtype=size)
    group -= 1
    first = np.empty(len(keys), dtype=size)
    first[order] = order[starts][group]
    return first


def _check_same_texts(sentences: Sentences, keys: Numbers, answered: Numbers, answered_keys: Numbers) -> None:
    known = answered < len(keys)
    if not known.all():
        number = int(answered[~known][0])
        raise InputError(
            f"there is a stored answer to sentence {number}, and the corpus ends before it: it changed; annotate it "
            "into another folder"
        )
    other = keys[answered] != answered_keys
    if other.any():
        number = int(answered[other][0])
        raise InputError(
            f"sentence {number} is {sentences[number].id!r} now, but its stored answer is to another text: the corpus "
            "changed; annotate it into another folder"
        )
