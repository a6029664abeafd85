from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from nerkd_local.corpus.schemes import tags_to_spans
from nerkd_local.student.decode import best_tags, is_valid, tag_names, word_tags

NAMES = tag_names(["A", "B"])  # O, B-A, I-A, B-B, I-B


def test_classes_are_o_then_begin_and_inside_of_each_label_in_order() -> None:
    assert tag_names(["PER", "LOC", "PER"]) == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def test_tags_are_the_raw_choice() -> None:
    assert word_tags([2, 0, 0, 1], ["O", "B-X", "I-X"]) == ["I-X", "O", "O", "B-X"]


@pytest.mark.parametrize(
    ("tags", "valid"),
    [
        ("", True),
        ("O", True),
        ("B-A", True),
        ("I-A", False),
        ("O I-A", False),
        ("B-A I-A I-A O", True),
        ("B-A I-B", False),
        ("B-A B-A I-A", True),
        ("B-A O I-A", False),
        ("B-A I-A B-B I-B", True),
        ("B-B I-B I-A", False),
    ],
)
def test_an_inside_continues_its_own_label_or_is_invalid(tags: str, valid: bool) -> None:
    assert is_valid(np.array([NAMES.index(tag) for tag in tags.split()], np.int64)) == valid


@given(st.lists(st.integers(0, 4), max_size=7))
def test_valid_is_where_strict_and_lenient_readers_see_the_same(classes: list[int]) -> None:
    tags = [NAMES[number] for number in classes]
    places = [(2 * word, 2 * word + 1) for word in range(len(tags))]
    valid = is_valid(np.array(classes, np.int64))
    # a sequence is valid where every tag is accounted for by an entity read strictly, or is O
    spans = tags_to_spans(tags, places, strict=True)
    covered = sum((span.end - span.start + 1) // 2 for span in spans)
    assert valid == (covered == sum(tag != "O" for tag in tags))
    strict = [(each.start, each.end, each.tag) for each in Entities([tags], IOB2).entities[0]]
    assert strict == [(span.start // 2, (span.end + 1) // 2, span.label) for span in spans]
    if valid:
        assert [(label, first, last + 1) for label, first, last in get_entities(tags)] == [
            (label, first, end) for first, end, label in strict
        ]


@st.composite
def scores(draw: st.DrawFn) -> NDArray[np.float32]:
    """Small whole numbers for up to four words and one or two labels: sums are exact and often equal."""
    classes = draw(st.sampled_from([3, 5]))
    words = draw(st.integers(1, 4))
    return np.array(
        draw(
            st.lists(st.lists(st.integers(-3, 3), min_size=classes, max_size=classes), min_size=words, max_size=words)
        ),
        np.float32,
    )


@given(scores())
def test_it_is_the_best_of_all_valid_sequences(given_scores: NDArray[np.float32]) -> None:
    words, classes = given_scores.shape
    valid = [each for each in product(range(classes), repeat=words) if is_valid(np.array(each))]
    totals = {each: sum(float(given_scores[word, number]) for word, number in enumerate(each)) for each in valid}
    highest = max(totals.values())
    # of equal ones the one with the lower classes from the end on
    expected = min((each for each in valid if totals[each] == highest), key=lambda each: each[::-1])
    assert tuple(best_tags(given_scores).tolist()) == expected


@given(scores())
def test_where_each_words_best_makes_a_valid_sequence_it_is_that(given_scores: NDArray[np.float32]) -> None:
    independent = given_scores.argmax(-1)
    if is_valid(independent):
        assert best_tags(given_scores).tolist() == independent.tolist()
    else:
        assert best_tags(given_scores).tolist() != independent.tolist()


def test_a_stray_inside_becomes_what_costs_least() -> None:
    # I-A is ahead by 3 at the second word: B-A for the first costs 2, B-A at the second costs 1, O 3
    given_scores = np.array([[2, 0, 0, -9, -9], [1, 3, 4, -9, -9]], np.float32)
    assert [NAMES[number] for number in best_tags(given_scores)] == ["O", "B-A"]
    # the second word all but certain of I-A: the first gives way
    given_scores[1] = [-9, -9, 9, -9, -9]
    assert [NAMES[number] for number in best_tags(given_scores)] == ["B-A", "I-A"]


def test_a_text_without_words_has_no_tags() -> None:
    assert best_tags(np.zeros((0, 5), np.float32)).tolist() == []


def test_a_long_text_is_decoded_whole() -> None:
    given_scores = np.random.default_rng(0).normal(size=(3000, 9)).astype(np.float32)
    found = best_tags(given_scores)
    assert is_valid(found)
    assert not is_valid(given_scores.argmax(-1))
    gained = given_scores[np.arange(3000), found].sum() / given_scores.max(-1).sum()
    assert 0.8 < gained < 1
