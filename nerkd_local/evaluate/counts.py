"""Entities found, predicted and true, sentence by sentence: what precision, recall and F1 are made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from nerkd_local.errors import InputError

Tags = Sequence[str]


def sentence_counts(gold: Sequence[Tags], predicted: Sequence[Tags]) -> npt.NDArray[np.int64]:
    """Correct, predicted and gold entities of every sentence, read as strict IOB2.

    Shape: (N, 3), columns in that order; an entity is correct if its borders and its label are. The column
    sums are the counts behind seqeval's strict micro scores (a test holds that), and because F1 is made of
    sums over sentences, a statistic of resampled sentences needs nothing but this table.

    Raises InputError as `check_tags` does.
    """
    check_tags(gold, predicted)
    counts = np.zeros((len(gold), 3), dtype=np.int64)
    for row, (gold_tags, predicted_tags) in enumerate(zip(gold, predicted, strict=True)):
        true, found = strict_entities(gold_tags), strict_entities(predicted_tags)
        counts[row] = len(true & found), len(found), len(true)
    return counts


def strict_entities(tags: Tags) -> set[tuple[int, int, str]]:
    """The entities of one sentence as (start, end, label), half-open in tokens, in one pass.

    Strict IOB2, as seqeval reads it: an entity is a B- and the I- of the same label right after it. An I-
    that continues nothing is part of no entity, neither its own nor the one before it.
    """
    entities: set[tuple[int, int, str]] = set()
    start, label = -1, ""  # of the entity that is open; a start of -1 is none
    for position, tag in enumerate(chain(tags, ("O",))):
        if start >= 0 and tag[:1] == "I" and tag[2:] == label:
            continue
        if start >= 0:
            entities.add((start, position, label))
        start, label = (position, tag[2:]) if tag[:1] == "B" else (-1, "")
    return entities


def check_tags(gold: Sequence[Tags], predicted: Sequence[Tags]) -> None:
    """Raises InputError for tables that are not aligned, and for tags that are no IOB tags.

    Also refused is a label that begins or ends with a hyphen: seqeval would read `B-X-` as the label X.
    """
    if len(gold) != len(predicted):
        raise InputError(f"{len(predicted)} predicted sentences for {len(gold)} gold ones; score the same sentences")
    for number, (gold_tags, predicted_tags) in enumerate(zip(gold, predicted, strict=True)):
        if len(gold_tags) != len(predicted_tags):
            raise InputError(
                f"sentence {number} (from 0) has {len(gold_tags)} gold tags and {len(predicted_tags)} "
                "predicted ones; score the same tokens"
            )
    for tag in sorted(set(chain(*gold, *predicted))):
        label = tag[2:]
        if tag != "O" and (tag[:2] not in ("B-", "I-") or not label or label.strip("-") != label):
            raise InputError(f"{tag!r} is not a tag to score; O, B-LABEL and I-LABEL are")
