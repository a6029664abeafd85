"""What is wrong with a mention: a table of cases by hand, and that nothing is counted twice or lost."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.evaluate.counts import strict_entities
from nerkd_local.evaluate.errors import CLASSES, ErrorClass, classify, error_counts, pair_mentions
from nerkd_local.evaluate.spans import Entity, make_table

P, O = "PER", "ORG"  # noqa: E741

CASES: list[tuple[str, list[Entity], list[Entity], list[tuple[ErrorClass, int, int]]]] = [
    ("nothing", [], [], []),
    ("right", [(0, 2, P)], [(0, 2, P)], [("right", 0, 0)]),
    ("another type", [(0, 2, P)], [(0, 2, O)], [("type", 0, 0)]),
    ("a word too few", [(0, 2, P)], [(1, 2, P)], [("boundary", 0, 0)]),
    ("a word too many", [(0, 2, P)], [(0, 3, P)], [("boundary", 0, 0)]),
    ("both wrong", [(0, 2, P)], [(1, 3, O)], [("both", 0, 0)]),
    ("missed", [(0, 2, P)], [], [("missed", 0, -1)]),
    ("invented", [], [(0, 2, P)], [("spurious", -1, 0)]),
    ("neighbours do not overlap", [(0, 2, P)], [(2, 3, P)], [("missed", 0, -1), ("spurious", -1, 0)]),
    # one mention cut in two: the larger part is the pair
    ("cut in two", [(0, 3, P)], [(0, 1, P), (1, 3, P)], [("boundary", 0, 1), ("spurious", -1, 0)]),
    # of equal parts the one that begins first
    ("cut in halves", [(0, 2, P)], [(0, 1, P), (1, 2, P)], [("boundary", 0, 0), ("spurious", -1, 1)]),
    # the same type comes before the larger part
    ("type before size", [(0, 3, P)], [(0, 1, P), (1, 3, O)], [("boundary", 0, 0), ("spurious", -1, 1)]),
    ("two made one", [(0, 1, P), (1, 3, P)], [(0, 3, P)], [("missed", 0, -1), ("boundary", 1, 0)]),
    # what is right is never taken from for another pair
    ("right first", [(0, 1, P), (1, 2, P)], [(0, 1, P), (1, 3, O)], [("right", 0, 0), ("both", 1, 1)]),
    # greedy, so not as many pairs as could be: the first of two equal boundary pairs leaves the others alone
    (
        "a chain",
        [(0, 2, P), (3, 5, O)],
        [(1, 4, O), (4, 6, O)],
        [("missed", 0, -1), ("boundary", 1, 0), ("spurious", -1, 1)],
    ),
]


@pytest.mark.parametrize(("gold", "predicted", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_pairs_by_hand(gold: list[Entity], predicted: list[Entity], wanted: list[tuple[ErrorClass, int, int]]) -> None:
    assert sorted(pair_mentions(gold, predicted)) == sorted(wanted)


def test_the_order_given_makes_no_difference() -> None:
    gold, predicted = [(0, 3, P), (4, 6, O), (7, 8, P)], [(0, 1, P), (1, 3, P), (4, 6, P), (5, 7, O)]

    def named(pairs: list[tuple[ErrorClass, int, int]], g: list[Entity], p: list[Entity]) -> set[object]:
        return {(kind, g[a] if a >= 0 else None, p[b] if b >= 0 else None) for kind, a, b in pairs}

    expected = named(pair_mentions(gold, predicted), gold, predicted)
    for g in permutations(gold):
        for p in permutations(predicted):
            assert named(pair_mentions(list(g), list(p)), list(g), list(p)) == expected


entities = st.lists(
    st.lists(st.sampled_from(("O", "B-PER", "I-PER", "B-ORG", "I-ORG")), max_size=10).map(strict_entities).map(sorted),
    max_size=5,
)


@given(entities, entities)
def test_classes_add_up_to_both_sides(gold: list[list[Entity]], predicted: list[list[Entity]]) -> None:
    size = max(len(gold), len(predicted))
    a, b = (make_table([*side, *([[]] * (size - len(side)))]) for side in (gold, predicted))
    errors = classify(a, b)
    counts = dict(zip(CLASSES, error_counts(a, b, errors).sum(axis=1).tolist(), strict=True))
    paired = counts["right"] + counts["type"] + counts["boundary"] + counts["both"]
    assert paired + counts["missed"] == len(a)
    assert paired + counts["spurious"] == len(b)


@given(entities, entities)
def test_a_table_is_classified_as_its_sentences_are(gold: list[list[Entity]], predicted: list[list[Entity]]) -> None:
    size = max(len(gold), len(predicted))
    sides = [[*side, *([[]] * (size - len(side)))] for side in (gold, predicted)]
    a, b = map(make_table, sides)
    errors = classify(a, b)
    kinds = Counter(
        (kind, ours[g] if g >= 0 else None, theirs[p] if p >= 0 else None, number)
        for number, (ours, theirs) in enumerate(zip(*sides, strict=True))
        for kind, g, p in pair_mentions(ours, theirs)
    )
    found: Counter[object] = Counter()
    for place, kind in enumerate(errors.gold.tolist()):
        partner = int(errors.gold_partner[place])
        other = b.entities([partner])[0] if partner >= 0 else None
        found[CLASSES[kind], a.entities([place])[0], other, int(a.sentence[place])] += 1
        if partner >= 0:
            assert errors.predicted_partner[partner] == place
            assert errors.predicted[partner] == kind
    for place in np.flatnonzero(errors.predicted == CLASSES.index("spurious")).tolist():
        assert errors.predicted_partner[place] == -1
        found["spurious", None, b.entities([place])[0], int(b.sentence[place])] += 1
    assert found == kinds


def test_counts_are_by_sentence() -> None:
    gold = make_table([[(0, 1, P)], [(0, 1, P), (2, 3, O)]])
    found = make_table([[(0, 1, O)], [(0, 1, P), (4, 5, P)]])
    counts = error_counts(gold, found, classify(gold, found))
    assert {kind: row.tolist() for kind, row in zip(CLASSES, counts, strict=True)} == {
        "right": [0, 1],
        "type": [1, 0],
        "boundary": [0, 0],
        "both": [0, 0],
        "missed": [0, 1],
        "spurious": [0, 1],
    }
