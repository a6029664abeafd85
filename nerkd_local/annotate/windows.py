"""Neighbouring sentences asked about together, and their answer taken apart again."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.align import MentionState
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.reading import Reading
from nerkd_local.annotate.sentences import Sentences
from nerkd_local.fingerprints import text_key
from nerkd_local.records import Document, Span
from nerkd_local.store.answers import AnswerStore

Answered = tuple[NDArray[np.int64], NDArray[np.int64]]

_JOINT = " "
_NONE: Answered = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


class Windows:
    """A corpus seen as windows: each has up to `most` sentences of one document that follow each other in it.

    A document is what `meta["document"]` names; a sentence without that is a window by itself. Windows begin anew with
    each document and are filled from its beginning. Where `answered` (window numbers, ascending, and the keys of their
    texts) has a window that ends earlier, as the corpus ended there before it grew, that one stays as it was, and the
    next begins behind it. Making the object reads the corpus once; memory: 16 bytes a window.
    """

    def __init__(self, sentences: Sentences, most: int, answered: Answered = _NONE) -> None:
        self.sentences = sentences
        firsts, keys = array("q", [0]), array("q")
        for name, of_document in groupby(sentences, key=lambda sentence: sentence.meta.get("document")):
            limit = 1 if name is None else most
            texts: list[str] = []
            while texts := [*texts, *(sentence.text for sentence in islice(of_document, limit - len(texts)))]:
                count, key = _cut(texts, _key_of(len(keys), answered))
                firsts.append(firsts[-1] + count)
                keys.append(key)
                texts = texts[count:]
        self._firsts: NDArray[np.int64] = np.array(firsts, dtype=np.int64)
        self.keys: NDArray[np.int64] = np.array(keys, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, number: int, /) -> Document:
        return join([self.sentences[member] for member in self.members(number)])

    def __iter__(self) -> Iterator[Document]:
        source = iter(self.sentences)
        for number in range(len(self)):
            yield join([next(source) for _ in self.members(number)])

    def members(self, number: int) -> range:
        """The numbers of a window's sentences."""
        return range(int(self._firsts[number]), int(self._firsts[number + 1]))


def windowed(sentences: Sentences, job: AnnotationJob, store: AnswerStore, run_id: int) -> Sentences:
    """What a job asks about one by one: the sentences, or windows of them."""
    return Windows(sentences, job.window, store.answered(run_id)) if job.window > 1 else sentences


def unanswered(sentences: Sentences, job: AnnotationJob, store: AnswerStore, run_id: int) -> NDArray[np.int64]:
    """The sentences of windows whose answer did not end by itself, ascending: they are to be asked about alone."""
    windows = Windows(sentences, job.window, store.answered(run_id))
    lost = (answer.sentence_no for answer in store.answers(run_id) if answer.finish_reason != "stop")
    members = [windows.members(number) for number in lost]
    return np.array([number for several in members if len(several) > 1 for number in several], dtype=np.int64)


def find_single_run(job: AnnotationJob, store: AnswerStore) -> int | None:
    """The run in which a job's sentences were asked about alone; None if there is none."""
    wanted = replace(job, window=1).identity()
    return next((run_id for run_id, identity in store.runs().items() if identity == wanted), None)


def _cut(texts: Sequence[str], wanted: int | None) -> tuple[int, int]:
    """How many of the texts are one window, and its key: all of them, or the first ones where they have that key."""
    whole = _text_key(texts)
    if wanted not in (None, whole):
        for count in range(len(texts) - 1, 0, -1):
            if _text_key(texts[:count]) == wanted:
                return count, wanted
    return len(texts), whole


def _text_key(texts: Sequence[str]) -> int:
    return text_key(_JOINT.join(texts))


def _key_of(number: int, answered: Answered) -> int | None:
    """The key of the text that a stored answer is to; None where there is none."""
    numbers, keys = answered
    place = np.searchsorted(numbers, number)
    return int(keys[place]) if place < len(numbers) and numbers[place] == number else None


def join(sentences: Sequence[Document]) -> Document:
    """One document of several: their texts, a space between each two, and their tokens. It has no spans.

    The id is made of the first one's and the last one's; a single sentence keeps its own.
    """
    first, last = sentences[0], sentences[-1]
    tokens = [
        (start + begin, end + begin)
        for sentence, begin in zip(sentences, _begins(sentences), strict=True)
        for start, end in sentence.tokens
    ]
    id = first.id if len(sentences) == 1 else f"{first.id}..{last.id}"
    return Document(id, _JOINT.join(sentence.text for sentence in sentences), tuple(tokens))


def _begins(sentences: Sequence[Document]) -> list[int]:
    """Where each sentence begins in the joined text."""
    begins, position = [], 0
    for sentence in sentences:
        begins.append(position)
        position += len(sentence.text) + len(_JOINT)
    return begins


def split(sentences: Sequence[Document], reading: Reading) -> list[Reading]:
    """What the reading of a window's answer says of each of its sentences; together it is the same.

    A mention that reaches over a sentence's end is `crossing`, and no span. It, and whatever else has no place in one
    of the sentences, is counted with the first one.
    """
    begins = _begins(sentences)
    spans: list[list[Span]] = [[] for _ in sentences]
    numbers: list[list[int]] = [[] for _ in sentences]
    counts: list[dict[MentionState, int]] = [{} for _ in sentences]
    counts[0] = dict(reading.mentions)

    def move(state: MentionState, to: int, new: MentionState) -> None:
        counts[0][state] -= 1
        counts[to][new] = counts[to].get(new, 0) + 1

    for number, (span, state) in enumerate(zip(reading.spans, reading.states, strict=True)):
        place = bisect_right(begins, span.start) - 1
        begin = begins[place]
        if span.end > begin + len(sentences[place].text):
            move(state, 0, "crossing")
            continue
        move(state, place, state)
        spans[place].append(Span(span.start - begin, span.end - begin, span.label))
        numbers[place].append(number)
    return [
        Reading(
            reading.state,
            tuple(spans[place]),
            {state: count for state, count in counts[place].items() if count},
            tuple(reading.sources[number] for number in numbers[place]),
            tuple(reading.states[number] for number in numbers[place]),
            0 if place else reading.nested,
        )
        for place in range(len(sentences))
    ]
