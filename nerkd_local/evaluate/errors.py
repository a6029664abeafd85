"""What is wrong with a mention: its type, its borders, both, or that it is missing or invented.

Human and predicted mentions of a sentence are put together one to one, each at most once, in this order: the same
borders and type (right); the same borders, another type (type); borders that overlap, the same type (boundary);
borders that overlap, another type (both). Within a step the pair that shares most tokens comes first, and of equals the
one that begins first. That is greedy: there are not always as many pairs as could be. Human mentions that are left are
missed, predicted ones spurious. So right + type + boundary + both + missed are the human mentions, and right + type +
boundary + both + spurious the predicted ones.

A pair that is not right is one error here, as in MUC's scores (Chinchor and Sundheim, MUC-5 Evaluation Metrics, 1993);
strict F1 counts it twice, as missed and as spurious.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nerkd_local.evaluate.spans import Entity, IntArray, SpanTable, exact_matches

ErrorClass = Literal["right", "type", "boundary", "both", "missed", "spurious"]
CLASSES: tuple[ErrorClass, ...] = get_args(ErrorClass)
ERRORS: tuple[ErrorClass, ...] = CLASSES[1:]

_PAIRS: dict[tuple[bool, bool], ErrorClass] = {
    (True, True): "right",
    (True, False): "type",
    (False, True): "boundary",
    (False, False): "both",
}
"""By whether the borders and the type are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Each mention's class, as a place in `CLASSES`, and the mention of the other side that it is paired with, as its
    place in that table, or -1. Shapes: (human mentions,) and (predicted mentions,)."""

    gold: IntArray
    gold_partner: IntArray
    predicted: IntArray
    predicted_partner: IntArray


def pair_mentions(gold: Sequence[Entity], predicted: Sequence[Entity]) -> list[tuple[ErrorClass, int, int]]:
    """One sentence's mentions by class: the places of the human and of the predicted one, -1 for none.

    In the order of where they begin, human mentions first. The order that they are given in makes no difference, except
    between mentions that are equal.
    """
    wanted = sorted(
        (CLASSES.index(_PAIRS[same]), -shared, *gold[g][:2], *predicted[p][:2], gold[g][2], predicted[p][2], g, p)
        for g in range(len(gold))
        for p in range(len(predicted))
        if (shared := min(gold[g][1], predicted[p][1]) - max(gold[g][0], predicted[p][0])) > 0
        for same in [(gold[g][:2] == predicted[p][:2], gold[g][2] == predicted[p][2])]
    )
    free_gold, free_predicted = set(range(len(gold))), set(range(len(predicted)))
    pairs: list[tuple[ErrorClass, int, int]] = []
    for kind, *_, g, p in wanted:
        if g in free_gold and p in free_predicted:
            free_gold.remove(g)
            free_predicted.remove(p)
            pairs.append((CLASSES[kind], g, p))
    pairs += [("missed", g, -1) for g in free_gold]
    pairs += [("spurious", -1, p) for p in free_predicted]
    return sorted(pairs, key=lambda pair: (gold[pair[1]] if pair[1] >= 0 else predicted[pair[2]], pair[1] < 0, pair))


def classify(gold: SpanTable, predicted: SpanTable) -> Errors:
    """Every mention's class and partner. Raises ValueError for tables of different sentences.

    A sentence that has all its mentions right is done with arrays alone; the others go through `pair_mentions`.
    """
    gold_hit, hit = exact_matches(gold, predicted)
    errors = Errors(
        *(np.full(len(table), fill) for table in (gold, predicted) for fill in (CLASSES.index("right"), -1))
    )
    # the same sentence, borders and type, in the same order on both sides
    errors.gold_partner[gold_hit] = np.flatnonzero(hit)
    errors.predicted_partner[hit] = np.flatnonzero(gold_hit)
    wrong = np.union1d(gold.sentence[~gold_hit], predicted.sentence[~hit])
    gold_places, places = gold.by_sentence(), predicted.by_sentence()
    for sentence in wrong.tolist():
        ours, theirs = gold_places[sentence], places[sentence]
        for kind, g, p in pair_mentions(gold.entities(ours), predicted.entities(theirs)):
            mine, other = (ours[g] if g >= 0 else -1), (theirs[p] if p >= 0 else -1)
            if mine >= 0:
                errors.gold[mine], errors.gold_partner[mine] = CLASSES.index(kind), other
            if other >= 0:
                errors.predicted[other], errors.predicted_partner[other] = CLASSES.index(kind), mine
    return errors


def error_counts(gold: SpanTable, predicted: SpanTable, errors: Errors) -> IntArray:
    """How many of each class, by sentence; a pair counts once. Shape: (classes, sentences), classes as in `CLASSES`."""
    counts = np.zeros((len(CLASSES), gold.sentences), np.int64)
    np.add.at(counts, (errors.gold, gold.sentence), 1)
    spurious = errors.predicted == CLASSES.index("spurious")
    np.add.at(counts, (errors.predicted[spurious], predicted.sentence[spurious]), 1)
    return counts
