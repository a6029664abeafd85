"""What is decided about a sentence and each of its entities, and why: closed sets of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from nerkd_local.records import SELECTED, TOKEN_WEIGHTS, Document

Decision = Literal["kept", "weighted", "masked", "dropped"]
"""What becomes of an entity, or of a sentence.

kept      learned as it is
weighted  learned, and its words count less (a sentence: some of its words do)
masked    nothing is learned from its words (a sentence: from some of them)
dropped   the sentence is not in what is written, nor are its entities
"""

Reason = Literal[
    "policy",
    "sure",
    "no_entities",
    "agreed",
    "chosen",
    "confidence",
    "unsure",
    "disputed",
    "missed",
    "disagreements",
    "over_budget",
    "unusable",
]
"""Why.

policy         everything is kept
sure           its confidence reaches the threshold
no_entities    the sentence has none, and nothing speaks against that
agreed         annotator and student say the same
chosen         it is among the best of the budget
confidence     its weight is its confidence
unsure         its confidence is below the threshold
disputed       the student does not have the annotator's entity
missed         the student has a mention where the annotator has none
disagreements  the sentence has too many of them
over_budget    the budget went to better ones
unusable       the sentence has no usable answer
"""

DECISIONS: tuple[Decision, ...] = get_args(Decision)
REASONS: tuple[Reason, ...] = get_args(Reason)

Ruling = tuple[Decision, Reason]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rulings on a sentence and on each of its entities, in their order; `weights`, one number a token, where they are
    not all 1; `missed`, how many of the student's mentions were masked."""

    sentence: Ruling
    entities: tuple[Ruling, ...]
    weights: tuple[float, ...] | None = None
    missed: int = 0


def drop(document: Document, reason: Reason) -> Verdict:
    """The sentence is dropped with all its entities."""
    return Verdict(("dropped", reason), (("dropped", reason),) * len(document.spans))


def keep(document: Document, reason: Reason) -> Verdict:
    """The sentence is kept as it is."""
    entities: tuple[Ruling, ...] = (("kept", reason),) * len(document.spans)
    return Verdict(("kept", reason if document.spans or reason in ("policy", "chosen") else "no_entities"), entities)


def as_selected(document: Document, verdict: Verdict) -> Document:
    """The document with the rulings in its `meta`, and the weights where it has some.

    Weights that it came with are multiplied by them.
    """
    meta: dict[str, Any] = {**document.meta, SELECTED: _plain(verdict)}
    if verdict.weights is not None:
        before = document.meta.get(TOKEN_WEIGHTS, [1] * len(document.tokens))
        meta[TOKEN_WEIGHTS] = [old * new for old, new in zip(before, verdict.weights, strict=True)]
    return replace(document, meta=meta)


def words_of(document: Document, start: int, end: int) -> range:
    """The tokens that share a character with `text[start:end]`, by their places."""
    touched = [place for place, token in enumerate(document.tokens) if token[0] < end and start < token[1]]
    return range(touched[0], touched[-1] + 1) if touched else range(0)


def weigh(document: Document, parts: Sequence[tuple[int, int, float]]) -> tuple[float, ...] | None:
    """One weight a token: that of the part `(start, end, weight)` it lies in, the least of several; 1 elsewhere.

    None where all are 1.
    """
    weights = [1.0] * len(document.tokens)
    for start, end, weight in parts:
        for place in words_of(document, start, end):
            weights[place] = min(weights[place], weight)
    return tuple(weights) if any(weight != 1 for weight in weights) else None


def _plain(verdict: Verdict) -> dict[str, Any]:
    def named(ruling: Ruling) -> dict[str, str]:
        return {"decision": ruling[0], "reason": ruling[1]}

    return {"sentence": named(verdict.sentence), "entities": [named(ruling) for ruling in verdict.entities]}
