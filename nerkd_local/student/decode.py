"""Between tag names and the class numbers of the student's head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
"""The tag of class 0."""


def tag_names(labels: Iterable[str]) -> tuple[str, ...]:
    """The IOB2 tags of the labels in class order: `O`, then `B-x`, `I-x` for each label, labels sorted."""
    return (OUTSIDE, *(f"{prefix}-{label}" for label in sorted(set(labels)) for prefix in "BI"))


def word_tags(classes: Sequence[int], names: Sequence[str]) -> list[str]:
    """The tag of each word from its class."""
    return [names[number] for number in classes]


def best_tags(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """The classes of the best tag sequence that is valid IOB2: an `I-x` stands after `B-x` or `I-x`, nowhere else.

    `scores`: shape (words, classes), the head's logits in the order of `tag_names`; a sequence's score is the sum of
    its words' (their softmax differs by a constant a word). Shape of the result: (words,). Where each word's best class
    makes a valid sequence, that is the best one; otherwise Viterbi's algorithm finds it. Of equal ones the one with the
    lower classes from the end on is taken.
    """
    best: NDArray[np.int64] = scores.argmax(-1)
    return best if is_valid(best) else _viterbi(scores)


def is_valid(classes: NDArray[np.int64]) -> bool:
    """Whether classes (in the order of `tag_names`) are a valid IOB2 sequence."""
    before = np.concatenate([[0], classes[:-1]]) if len(classes) else classes
    inside = (classes > 0) & (classes % 2 == 0)  # O is 0, B-x odd, I-x the even number after its B-x
    return bool(np.all(~inside | (before == classes) | (before == classes - 1)))


def _viterbi(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    words, classes = scores.shape
    allowed = np.full((classes, classes), 0.0)  # from, to
    for inside in range(2, classes, 2):
        allowed[:, inside] = -np.inf
        allowed[[inside - 1, inside], inside] = 0.0
    begin = np.where((np.arange(classes) > 0) & (np.arange(classes) % 2 == 0), -np.inf, 0.0)
    total = begin + scores[0]
    came_from = np.zeros((words, classes), np.int64)
    for word in range(1, words):
        reached = total[:, None] + allowed
        came_from[word] = reached.argmax(0)
        total = reached.max(0) + scores[word]
    path = np.zeros(words, np.int64)
    path[-1] = total.argmax()
    for word in range(words - 1, 0, -1):
        path[word - 1] = came_from[word, path[word]]
    return path
