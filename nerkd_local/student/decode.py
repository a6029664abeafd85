"""Between tag names and the class numbers of the student's head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

OUTSIDE = "O"
"""The tag of class 0."""


def tag_names(labels: Iterable[str]) -> tuple[str, ...]:
    """The IOB2 tags of the labels in class order: `O`, then `B-x`, `I-x` for each label, labels sorted."""
    return (OUTSIDE, *(f"{prefix}-{label}" for label in sorted(set(labels)) for prefix in "BI"))


def word_tags(classes: Sequence[int], names: Sequence[str]) -> list[str]:
    """The tag of each word from its class.

    The tags are the head's raw choice: an `I-x` may follow anything. How such tags count is the scorer's
    business, and it moves F1, so nothing is mended here.
    """
    return [names[number] for number in classes]
