"""Where a string stands in a document as whole tokens: verbatim, or else folded and widened to whole tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from nerkd_local.annotate.normalise import Folded, fold
from nerkd_local.corpus.unspaced import is_unspaced
from nerkd_local.records import Document

LOOKS = 200_000
"""How often one answer's mentions are looked for: once for each place, and once for every 4,096 characters between.

A sentence takes a few; a document of 130,000 characters with 2,000 names about 70,000.
"""

_STRETCH = 12
"""Binary logarithm of the characters that are passed over in the time of one look."""


class Place(NamedTuple):
    """Whole tokens, `text[start:end]`; `verbatim` where it is what was looked for, character by character."""

    start: int
    end: int
    verbatim: bool


class Places:
    """Looks for strings in a document, for each one once, and for no more of them than `LOOKS` allows."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._starts = [start for start, _ in document.tokens]
        self._ends = [end for _, end in document.tokens]
        self._known: dict[str, Sequence[Place] | None] = {}
        self._looks = LOOKS

    def of(self, mention: str) -> Sequence[Place] | None:
        """Verbatim places on token borders; if there are none, folded or widened ones. In text order.

        Places may overlap. None where the search was not finished, since too much had been looked for before.
        """
        if mention not in self._known:
            places = self._verbatim(mention) or self._loose(mention)
            self._known[mention] = places if self._looks > 0 else None
        return self._known[mention]

    def _find(self, text: str, wanted: str, start: int) -> int:
        """As `str.find`, from `start` on; -1 also where there were too many looks."""
        if self._looks <= 0 or not wanted:
            return -1
        found = text.find(wanted, start)
        passed = (found if found >= 0 else len(text)) - start + len(wanted)
        self._looks -= 1 + (passed >> _STRETCH)
        return found

    def _verbatim(self, mention: str) -> list[Place]:
        starts, ends = self._starts, self._ends
        places: list[Place] = []
        start = self._find(self._text, mention, 0)
        while start >= 0:
            token = bisect_left(starts, start)
            if token < len(starts) and starts[token] == start:
                end = start + len(mention)
                last = bisect_left(ends, end, token)
                if last < len(ends) and ends[last] == end:
                    places.append(Place(start, end, True))
                token += 1
            if token >= len(starts):
                break
            start = self._find(self._text, mention, starts[token])  # none can begin inside a token
        return places

    @cached_property
    def _folded(self) -> Folded:
        return fold(self._text)

    def _loose(self, mention: str) -> list[Place]:
        text, wanted = self._folded, fold(mention).text
        places: list[Place] = []
        start = self._find(text.text, wanted, 0)
        while start >= 0:
            place = self._widen(text.starts[start], text.ends[start + len(wanted) - 1])
            if place and place not in places[-1:]:
                places.append(place)
            start = self._find(text.text, wanted, start + 1)
        return places

    def _widen(self, start: int, end: int) -> Place | None:
        """The whole tokens around a range; None where the range begins or ends inside a word.

        "Germany" in the token "Germany's" is widened; "US" in "RUSSIA" is not that mention.
        """
        text = self._text
        if start > 0 and _are_one_word(text[start - 1], text[start]):
            return None
        if end < len(text) and _are_one_word(text[end - 1], text[end]):
            return None
        first = bisect_left(self._ends, start + 1)
        last = bisect_left(self._starts, end) - 1
        if first >= len(self._starts) or last < first:
            return None
        return Place(self._starts[first], self._ends[last], False)


def _are_one_word(left: str, right: str) -> bool:
    """Whether two neighbouring characters are of one word; in scripts without spaces none are known to be."""
    return left.isalnum() and right.isalnum() and not is_unspaced(left) and not is_unspaced(right)
