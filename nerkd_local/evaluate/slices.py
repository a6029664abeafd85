"""Which part of the evaluation a mention belongs to, and the counts of each part, sentence by sentence.

A slicing puts every mention into one of its slices by what the mention itself is: by type, by length, by whether its
words were in the training data. A human mention is counted in its own slice and a predicted one in its own, so a
mention that one side alone has counts on that side alone. Of a wrong type, the human mention is missed in the slice of
its type and the predicted one spurious in that of the type it was given, as per-type scores have it; with other
borders, the two may fall into slices of different length. A mention found exactly is in the same slice on both sides.

So the slices of one slicing part the whole: their counts add up to it, column by column, and precision, recall and F1
of a slice are those of its sums (`stats.bootstrap` gives them intervals, as it does for the whole).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nerkd_local.evaluate.spans import IntArray, SpanTable, exact_matches, label_numbers

LENGTHS = ("1 word", "2 words", "3 words", "4 words and more")
SENTENCES = ("up to 5 words", "6 to 15 words", "16 to 30 words", "31 words and more")
_SENTENCE_BORDERS = (5, 15, 30)
SEEN = ("seen in both", "seen in original only", "seen in distilled only", "unseen")
"""Where a surface form was seen in training: in the human-labelled set, in the LLM-labelled one."""


@dataclass(frozen=True, slots=True, eq=False)
class Slicing:
    """`place` gives each mention of a table its slice, as a place in `slices`. Shape: (mentions,).

    With `predicted_only` there is no such thing for a human mention (nobody was more or less sure of it), and only
    precision can be told: see `slice_counts`.
    """

    name: str
    slices: tuple[str, ...]
    place: Callable[[SpanTable], IntArray]
    predicted_only: bool = False


def by_type(labels: Sequence[str]) -> Slicing:
    """A slice a label; `labels` must hold those of every table it is asked about."""
    return Slicing("type", tuple(labels), lambda table: label_numbers(table, labels))


def by_length() -> Slicing:
    """By the mention's words: 1, 2, 3, or more."""
    return Slicing("entity length", LENGTHS, lambda table: np.minimum(table.end - table.start, len(LENGTHS)) - 1)


def by_sentence_length(words: Iterable[int]) -> Slicing:
    """By the words of the mention's sentence, of which `words` has the number for every sentence."""
    place = np.searchsorted(_SENTENCE_BORDERS, np.array([*words], np.int64), side="left")
    return Slicing("sentence length", SENTENCES, lambda table: place[table.sentence])


def by_surface(
    sentences: Sequence[Sequence[str]], original: Sequence[Collection[str]], distilled: Sequence[Collection[str]]
) -> Slicing:
    """By whether the same words were a labelled mention, of whatever type, in what was trained on.

    One of each for every sentence: its words, and the `surface` forms that the students scored on it have read with
    human and with LLM labels (with folds, those differ).
    """

    def place(table: SpanTable) -> IntArray:
        columns = (table.sentence.tolist(), table.start.tolist(), table.end.tolist())
        forms = [(s, surface(sentences[s][a:b])) for s, a, b in zip(*columns, strict=True)]
        return np.array([_SEEN[form in original[s], form in distilled[s]] for s, form in forms], np.int64)

    return Slicing("surface form", SEEN, place)


_SEEN = {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}


def surface(words: Iterable[str]) -> str:
    """A mention's words with single spaces between, in Unicode's composed form (NFC), upper and lower case not told
    apart: a name in a headline's capitals is the name."""
    return unicodedata.normalize("NFC", " ".join(words)).casefold()


def by_confidence(bins: int = 5) -> Slicing:
    """By the student's own confidence, in as many bins of about equal size: the least sure fifth first.

    Each student has its own borders, the quantiles of its confidences. Equal confidences are in one bin, so bins can
    differ in size. Raises ValueError for fewer than two bins, and for mentions without a confidence.
    """
    if bins < 2:
        raise ValueError(f"{bins} bins; at least 2 are needed")

    def place(table: SpanTable) -> IntArray:
        if np.isnan(table.confidence).any():
            raise ValueError("mentions without a confidence cannot be told apart by it")
        if not len(table):
            return np.zeros(0, np.int64)
        borders = np.quantile(table.confidence, np.arange(1, bins) / bins)
        return np.searchsorted(borders, table.confidence, side="left").astype(np.int64)

    parts = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 10: "tenth"}.get(bins, f"1/{bins}")
    names = ["least sure", *(f"{number}." for number in range(2, bins)), "surest"]
    return Slicing("confidence", tuple(f"{name} {parts}" for name in names), place, predicted_only=True)


def slice_counts(slicing: Slicing, gold: SpanTable, predicted: SpanTable) -> npt.NDArray[np.int64]:
    """Correct, predicted and gold mentions by slice and sentence. Shape: (slices, sentences, 3).

    Over the slices they add up to the counts of the whole. Of a slicing by what only predictions have, the gold column
    repeats the predicted one, so that F1 of these counts is the precision: 2c / (p + p) = c / p.
    Raises ValueError for tables of different sentences.
    """
    _, hit = exact_matches(gold, predicted)
    counts = np.zeros((len(slicing.slices), gold.sentences, 3), np.int64)
    found = slicing.place(predicted)
    np.add.at(counts[..., 0], (found[hit], predicted.sentence[hit]), 1)
    np.add.at(counts[..., 1], (found, predicted.sentence), 1)
    if slicing.predicted_only:
        counts[..., 2] = counts[..., 1]
    else:
        np.add.at(counts[..., 2], (slicing.place(gold), gold.sentence), 1)
    return counts
