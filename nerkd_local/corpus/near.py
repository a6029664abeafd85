"""Sentences that are the same, or nearly: which of the training ones stand among those that students are scored on.

Similarity is the Jaccard index of the texts' sets of shingles: four characters in a row of the text in Unicode's
compatibility form (NFKC), case folded, without white space. So a sentence is found under another tokenization and in
any script. Digits count: datelines and tables that differ in them alone are templates, not copies.

The search is exact (Chaudhuri, Ganti and Kaushik, "A Primitive Operator for Similarity Joins in Data Cleaning", ICDE
2006; Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity Search", WWW 2007): of two sets as similar as t, one
shingle at least is among the (1 - t) |x| + 1 rarest of each. Only these are indexed and looked up, so the shingles that
everything has in common cost nothing, but in texts that are made of nothing else.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nerkd_local.corpus.checks import same_text
from nerkd_local.records import Document

SHINGLE = 4
"""Characters. On CoNLL-2003 three find 14 % more at .8, of shorter texts, and five 4 % fewer (see EXPERIMENTS.md)."""

SIMILARITY = 0.8
"""From here on a sentence counts as a near copy. On CoNLL-2003 five in six of those that .7 adds differ in digits
alone."""


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence of the indexed side, by id and by its place there, and how similar it is: at most 1."""

    id: str
    place: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Copy:
    """A training sentence by id, and the one it is a copy of: exact by the rule of `checks.find_duplicates`, else the
    nearest one. Two texts may share all shingles and not be the same: case, and long repetitions, are lost in them.
    """

    id: str
    of: str
    similarity: float
    exact: bool


class NearIndex:
    """Sentences to be resembled. Memory grows with these alone: 4 bytes for each shingle of each different text, and
    their dictionary. Those that are compared with them may come as a stream.
    """

    def __init__(self, documents: Iterable[Document], similarity: float = SIMILARITY) -> None:
        """Raises ValueError for a similarity outside (0, 1]: everything would resemble everything."""
        if not 0 < similarity <= 1:
            raise ValueError(f"a similarity of {similarity}; it must be above 0, and at most 1")
        self._similarity = similarity
        self._exact: dict[str, str] = {}
        numbers: dict[str, int] = {}
        members: dict[bytes, list[tuple[str, int]]] = {}
        for place, document in enumerate(documents):
            self._exact.setdefault(same_text(document), document.id)
            # as numbers at once: the strings of a large corpus would take many times what is kept of them
            each = sorted(numbers.setdefault(shingle, len(numbers)) for shingle in shingles(document.text))
            members.setdefault(array("I", each).tobytes(), []).append((document.id, place))
        counts = Counter(number for packed in members for number in array("I", packed))
        order = sorted(numbers, key=lambda shingle: (counts[numbers[shingle]], shingle))
        self._rank = {shingle: rank for rank, shingle in enumerate(order)}
        """The rarest first; ties by their characters, so that nothing depends on hashes."""
        self._sets: list[array[int]] = []
        self._ids: list[list[tuple[str, int]]] = []
        self._begins: dict[int, list[int]] = {}
        """By a shingle's rank, the sets that have it among their rarest."""
        rank_of = {numbers[shingle]: rank for shingle, rank in self._rank.items()}
        for packed, theirs in members.items():
            ranks = array("I", sorted(rank_of[number] for number in array("I", packed)))
            for rank in ranks[: len(ranks) - self._needed(len(ranks)) + 1]:
                self._begins.setdefault(rank, []).append(len(self._sets))
            self._sets.append(ranks)
            self._ids.append(theirs)

    def find(self, text: str) -> list[Match]:
        """Every indexed sentence that is similar enough, the most similar first, then in reading order."""
        mine = shingles(text)
        known = sorted(self._rank[shingle] for shingle in mine if shingle in self._rank)
        needed = self._needed(len(mine))
        if len(known) < needed:
            return []
        candidates = {number for rank in known[: len(known) - needed + 1] for number in self._begins.get(rank, ())}
        ranks = frozenset(known)
        found = []
        for number in candidates:
            theirs = self._sets[number]
            if min(len(mine), len(theirs)) < self._needed(max(len(mine), len(theirs))):
                continue
            shared = sum(rank in ranks for rank in theirs)
            similarity = shared / (len(mine) + len(theirs) - shared)
            if similarity >= self._similarity:
                found += [Match(id, place, similarity) for id, place in self._ids[number]]
        return sorted(found, key=lambda match: (-match.similarity, match.place))

    def copies(self, documents: Iterable[Document], *, near: bool = True) -> Iterator[Copy]:
        """Those of the documents that are a copy of an indexed one, in order; without `near`, exact ones alone."""
        for document in documents:
            same = self._exact.get(same_text(document))
            if same is not None:
                yield Copy(document.id, same, 1.0, exact=True)
            elif near and (matches := self.find(document.text)):
                yield Copy(document.id, matches[0].id, matches[0].similarity, exact=False)

    def _needed(self, size: int) -> int:
        """How many shingles a set of that size must share at least. Never too many: products round."""
        return max(math.ceil(self._similarity * size - 1e-9), 1)


def shingles(text: str) -> frozenset[str]:
    """The set that similarity is that of; a text shorter than a shingle is one by itself, an empty one as well."""
    plain = unicodedata.normalize("NFKC", "".join(text.split())).casefold()
    return frozenset(plain[at : at + SHINGLE] for at in range(max(len(plain) - SHINGLE + 1, 1)))
