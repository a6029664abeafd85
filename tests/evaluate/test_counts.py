"""Strict IOB2 entities by hand, and equal to seqeval's on any tags at all, valid sequences or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Tokens

from nerkd_local.errors import InputError
from nerkd_local.evaluate.counts import check_tags, sentence_counts, strict_entities

some_tags = st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "B-A-B", "I-A-B", "B-O", "I-é"]), max_size=12)


def seqeval_entities(tags):
    return {(entity.start, entity.end, entity.tag) for entity in Tokens(tags, IOB2).entities}


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ("", set()),
        ("O O", set()),
        ("B-A", {(0, 1, "A")}),
        ("B-A I-A O", {(0, 2, "A")}),
        ("O B-A I-A", {(1, 3, "A")}),
        ("B-A B-A", {(0, 1, "A"), (1, 2, "A")}),
        ("B-A I-A B-B I-B", {(0, 2, "A"), (2, 4, "B")}),
        ("I-A I-A", set()),
        ("O I-A O", set()),
        # an I- of another label ends the entity and is lost, with all that follows it
        ("B-A I-B", {(0, 1, "A")}),
        ("B-A I-B I-A", {(0, 1, "A")}),
        ("I-A B-A I-A", {(1, 3, "A")}),
        ("B-A O I-A", {(0, 1, "A")}),
    ],
)
def test_strict_entities_by_hand(tags, entities):
    assert strict_entities(tags.split()) == entities
    assert seqeval_entities(tags.split()) == entities


@given(some_tags)
def test_strict_entities_equal_seqevals_on_any_tags(tags):
    assert strict_entities(tags) == seqeval_entities(tags)


def test_counts_by_hand():
    gold = [["B-A", "I-A", "O"], ["B-A", "O", "B-B"], ["O"], []]
    predicted = [["B-A", "O", "O"], ["B-A", "B-A", "B-B"], ["I-A"], []]
    counts = sentence_counts(gold, predicted)
    assert counts.tolist() == [[0, 1, 1], [2, 3, 2], [0, 0, 0], [0, 0, 0]]
    assert counts.dtype == np.int64


def test_a_label_must_be_right_as_well_as_the_borders():
    assert sentence_counts([["B-A", "I-A"]], [["B-B", "I-B"]]).tolist() == [[0, 1, 1]]


def test_no_sentences_have_an_empty_table():
    assert sentence_counts([], []).shape == (0, 3)


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([["O"], ["O"]], [["O"]], "1 predicted sentences for 2 gold ones"),
        ([["O"], ["O"]], [["O"], ["O", "O"]], r"sentence 1 \(from 0\) has 1 gold tags and 2 predicted ones"),
        ([["B"]], [["O"]], "'B' is not a tag"),
        ([["O"]], [["B-"]], "'B-' is not a tag"),
        ([["E-A"]], [["O"]], "'E-A' is not a tag"),
        ([[""]], [["O"]], "'' is not a tag"),
        ([["Other"]], [["O"]], "'Other' is not a tag"),
        ([["B-A-"]], [["O"]], "'B-A-' is not a tag"),
        ([["B--A"]], [["O"]], "'B--A' is not a tag"),
    ],
)
def test_what_cannot_be_scored_is_refused(gold, predicted, message):
    with pytest.raises(InputError, match=message):
        check_tags(gold, predicted)
    with pytest.raises(InputError, match=message):
        sentence_counts(gold, predicted)
