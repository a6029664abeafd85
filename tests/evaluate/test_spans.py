"""Tables of mentions: made, joined, cut down, compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.evaluate.counts import sentence_counts, strict_entities
from nerkd_local.evaluate.spans import Entity, SpanTable, exact_matches, join, label_numbers, make_table

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")
tagged = st.lists(st.lists(st.sampled_from(TAGS), max_size=8), max_size=6)


def listed(table: SpanTable) -> list[list[Entity]]:
    return [table.entities(places) for places in table.by_sentence()]


def test_mentions_are_sorted_with_their_confidences() -> None:
    table = make_table([[(4, 5, "ORG"), (0, 2, "PER")], [], [(1, 2, "ORG")]], [[0.25, 0.5], [], [None]])
    assert listed(table) == [[(0, 2, "PER"), (4, 5, "ORG")], [], [(1, 2, "ORG")]]
    assert table.confidence.tolist()[:2] == [0.5, 0.25]
    assert np.isnan(table.confidence[2])
    assert (len(table), table.sentences) == (3, 3)


def test_a_table_of_nothing() -> None:
    table = make_table([[], []])
    assert listed(table) == [[], []]
    assert listed(make_table([])) == []
    assert [side.tolist() for side in exact_matches(table, table)] == [[], []]


def test_confidences_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="argument"):
        make_table([[(0, 1, "PER")]], [[0.5, 0.5]])


def test_joined_tables_share_their_labels_and_number_sentences_through() -> None:
    a, b = make_table([[(0, 1, "PER")], []]), make_table([[(2, 3, "ORG")], [(0, 1, "PER")]])
    joined = join([a, b])
    assert listed(joined) == [[(0, 1, "PER")], [], [(2, 3, "ORG")], [(0, 1, "PER")]]
    assert joined.labels == ("PER", "ORG")
    with pytest.raises(ValueError, match="no tables"):
        join([])


def test_labels_are_numbered_by_another_list() -> None:
    table = make_table([[(0, 1, "PER"), (1, 2, "ORG")]])
    assert label_numbers(table, ("LOC", "ORG", "PER")).tolist() == [2, 1]
    with pytest.raises(KeyError):
        label_numbers(table, ("PER",))


def test_some_sentences_and_back() -> None:
    table = make_table([[(0, 1, "PER")], [(0, 2, "ORG")], [(3, 4, "PER")]])
    some = table.select(np.array([0, 2]))
    assert listed(some) == [[(0, 1, "PER")], [(3, 4, "PER")]]
    assert listed(some.spread(np.array([0, 2]), 3)) == [[(0, 1, "PER")], [], [(3, 4, "PER")]]
    assert listed(table.pick(np.array([1]))) == [[], [(0, 2, "ORG")], []]


@given(tagged, st.data())
def test_exact_matches_are_what_the_strict_scorer_counts(gold: list[list[str]], data: st.DataObject) -> None:
    predicted = [data.draw(st.lists(st.sampled_from(TAGS), min_size=len(tags), max_size=len(tags))) for tags in gold]
    a, b = (make_table(map(strict_entities, side)) for side in (gold, predicted))
    mine, theirs = exact_matches(a, b)
    counts = sentence_counts(gold, predicted)
    correct = counts[:, 0] if len(gold) else np.zeros(0)
    assert np.bincount(a.sentence[mine], minlength=len(gold)).tolist() == correct.tolist()
    assert np.bincount(b.sentence[theirs], minlength=len(gold)).tolist() == correct.tolist()
    assert a.entities(np.flatnonzero(mine)) == b.entities(np.flatnonzero(theirs))


def test_tables_of_different_sentences_are_not_compared() -> None:
    with pytest.raises(ValueError, match="1 and 2 sentences"):
        exact_matches(make_table([[]]), make_table([[], []]))
