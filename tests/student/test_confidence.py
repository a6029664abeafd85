from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nerkd_local.corpus.schemes import tags_to_spans
from nerkd_local.records import Span, from_words
from nerkd_local.student.confidence import entity_confidences, outside_probabilities, span_probabilities
from nerkd_local.student.decode import tag_names

NAMES = tag_names(["A", "B"])  # O, B-A, I-A, B-B, I-B

# word by word, in eighths: exact in binary
ROWS = np.array(
    [
        [1, 5, 1, 1, 0],
        [1, 0, 6, 0, 1],
        [2, 1, 2, 0, 3],
        [0, 0, 0, 8, 0],
    ],
    np.float32,
) / np.float32(8)


@pytest.mark.parametrize(
    ("first", "end", "label", "expected"),
    [
        (0, 2, "A", 5 / 8 * 6 / 8 * (1 - 2 / 8)),  # the word after it may be anything but I-A
        (0, 1, "A", 5 / 8 * (1 - 6 / 8)),
        (0, 3, "A", 5 / 8 * 6 / 8 * 2 / 8 * (1 - 0)),
        (2, 3, "A", 1 / 8 * (1 - 0)),
        (3, 4, "B", 1.0),  # nothing comes after it
        (0, 3, "B", 1 / 8 * 1 / 8 * 3 / 8 * (1 - 0)),
        (2, 4, "B", 0.0),
    ],
)
def test_an_entity_begins_goes_on_and_ends(first: int, end: int, label: str, expected: float) -> None:
    bare = from_words("d", ["Ada", "of", "York", "Rome"])
    span = Span(bare.tokens[first][0], bare.tokens[end - 1][1], label)
    document = from_words("d", bare.words, (span,))
    assert entity_confidences(document, ROWS, NAMES) == (expected,)


def test_each_span_has_its_own_in_order_and_none_has_none() -> None:
    words = ["Ada", "of", "York", "Rome"]
    both = from_words("d", words, (Span(0, 6, "A"), Span(12, 16, "B")))
    assert entity_confidences(both, ROWS, NAMES) == (45 / 128 * 1.0, 1.0)
    assert entity_confidences(from_words("d", words), ROWS, NAMES) == ()


def test_spans_that_nobody_chose_have_a_probability_too() -> None:
    document = from_words("d", ["Ada", "of", "York", "Rome"], (Span(0, 6, "A"),))
    others = (Span(0, 3, "A"), Span(0, 6, "A"), Span(12, 16, "B"), Span(0, 3, "ANIMAL"))
    assert span_probabilities(document, others, ROWS, NAMES) == (5 / 8 * 2 / 8, 45 / 128, 1.0, 0.0)
    assert outside_probabilities(document, others, ROWS) == (1 / 8, 1 / 64, 0.0, 1 / 8)


@st.composite
def rows(draw: st.DrawFn) -> NDArray[np.float32]:
    """Probabilities of the five classes for one to four words."""
    weights = st.lists(st.integers(0, 9), min_size=5, max_size=5).filter(any)
    counts = np.array(draw(st.lists(weights, min_size=1, max_size=4)), np.float32)
    normalised: NDArray[np.float32] = counts / counts.sum(1, keepdims=True)
    return normalised


@given(rows())
def test_it_is_the_total_probability_of_the_tag_sequences_that_hold_the_entity(
    probabilities: NDArray[np.float32],
) -> None:
    bare = from_words("d", ["x"] * len(probabilities))
    totals: dict[Span, float] = {}
    for classes in product(range(5), repeat=len(probabilities)):
        share = float(np.prod([probabilities[word, chosen] for word, chosen in enumerate(classes)], dtype=np.float64))
        for span in tags_to_spans([NAMES[chosen] for chosen in classes], bare.tokens, strict=True):
            totals[span] = totals.get(span, 0.0) + share
    for span, total in totals.items():
        (confidence,) = entity_confidences(from_words("d", bare.words, (span,)), probabilities, NAMES)
        assert confidence == pytest.approx(total, abs=1e-6)
        assert 0 <= confidence <= 1
