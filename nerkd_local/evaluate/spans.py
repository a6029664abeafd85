"""Many sentences' mentions as columns of numbers: what slices and error classes are counted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Entity = tuple[int, int, str]
"""A mention of one sentence: (start, end, label), half-open in tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class SpanTable:
    """Mentions by sentence and then by start, those of a sentence without overlap; arrays of the shape (mentions,).

    `start` and `end` are half-open and count tokens of the sentence; `label` is a place in `labels`; `confidence` is
    NaN where there is none. `sentences` is how many sentences there are, with mentions or without.
    """

    sentence: IntArray
    start: IntArray
    end: IntArray
    label: IntArray
    confidence: npt.NDArray[np.float64]
    labels: tuple[str, ...]
    sentences: int

    def __len__(self) -> int:
        return len(self.sentence)

    def entities(self, mentions: Iterable[int]) -> list[Entity]:
        """Those mentions, named by their places in the table."""
        return [(int(self.start[m]), int(self.end[m]), self.labels[self.label[m]]) for m in mentions]

    def by_sentence(self) -> list[range]:
        """For each sentence, the places of its mentions."""
        borders = np.searchsorted(self.sentence, np.arange(self.sentences + 1)).tolist()
        return [range(begin, end) for begin, end in pairwise(borders)]

    def select(self, sentences: IntArray) -> SpanTable:
        """The table of some of the sentences, named by their places in ascending order, which are numbered anew."""
        place = np.full(self.sentences, -1)
        place[sentences] = np.arange(len(sentences))
        kept = place[self.sentence] >= 0
        return SpanTable(
            place[self.sentence[kept]],
            self.start[kept],
            self.end[kept],
            self.label[kept],
            self.confidence[kept],
            self.labels,
            len(sentences),
        )

    def pick(self, mentions: IntArray) -> SpanTable:
        """The table of some of the mentions, named by their places in ascending order."""
        return SpanTable(
            self.sentence[mentions],
            self.start[mentions],
            self.end[mentions],
            self.label[mentions],
            self.confidence[mentions],
            self.labels,
            self.sentences,
        )

    def spread(self, sentences: IntArray, count: int) -> SpanTable:
        """The reverse of `select`: the same mentions in a table of `count` sentences, of which these are some."""
        return SpanTable(
            sentences[self.sentence], self.start, self.end, self.label, self.confidence, self.labels, count
        )


def make_table(
    sentences: Iterable[Iterable[Entity]], confidences: Iterable[Sequence[float | None]] | None = None
) -> SpanTable:
    """The table of each sentence's mentions, in any order; `confidences`, one a mention in that order.

    Raises ValueError where a sentence has not as many confidences as mentions.
    """
    rows: list[tuple[int, int, int, int, float]] = []
    labels: dict[str, int] = {}
    count = 0
    given = iter(confidences) if confidences is not None else None
    for number, entities in enumerate(sentences):
        count = number + 1
        listed = list(entities)
        sure = [None] * len(listed) if given is None else next(given)
        for (start, end, label), confidence in sorted(
            zip(listed, sure, strict=True), key=lambda pair: (pair[0][0], pair[0][1], pair[0][2])
        ):
            index = labels.setdefault(label, len(labels))
            rows.append((number, start, end, index, np.nan if confidence is None else confidence))
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    sentence, start_, end_, label_ = columns[:4].astype(np.int64)
    return SpanTable(sentence, start_, end_, label_, columns[4].copy(), tuple(labels), count)


def join(tables: Sequence[SpanTable]) -> SpanTable:
    """One table after the other, the sentences numbered through. Raises ValueError for none."""
    if not tables:
        raise ValueError("no tables to join")
    labels = tuple(dict.fromkeys(label for table in tables for label in table.labels))
    offsets = np.cumsum([0, *(table.sentences for table in tables)])
    return SpanTable(
        np.concatenate([table.sentence + offset for table, offset in zip(tables, offsets, strict=False)]),
        np.concatenate([table.start for table in tables]),
        np.concatenate([table.end for table in tables]),
        np.concatenate([label_numbers(table, labels) for table in tables]),
        np.concatenate([table.confidence for table in tables]),
        labels,
        int(offsets[-1]),
    )


def label_numbers(table: SpanTable, labels: Sequence[str]) -> IntArray:
    """Each mention's label as a place in `labels`, which must hold them all. Shape: (mentions,)."""
    place = {label: number for number, label in enumerate(labels)}
    return np.array([place[label] for label in table.labels], np.int64)[table.label]


def exact_matches(a: SpanTable, b: SpanTable) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which mentions of each table are in the other with the same borders and label: strict hits.

    Shapes: (mentions of a,) and (mentions of b,). Raises ValueError for tables of different sentences.
    """
    if a.sentences != b.sentences:
        raise ValueError(f"{a.sentences} and {b.sentences} sentences; compare the same ones")
    labels = tuple(dict.fromkeys((*a.labels, *b.labels)))
    room = int(max((int(table.end.max()) for table in (a, b) if len(table)), default=0)) + 1
    keys = [
        ((table.sentence * room + table.start) * room + table.end) * max(len(labels), 1) + label_numbers(table, labels)
        for table in (a, b)
    ]
    return np.isin(keys[0], keys[1]), np.isin(keys[1], keys[0])
