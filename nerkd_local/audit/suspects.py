"""From what a student and an annotator say to a ranked list of the human labels that are likely wrong.

A **place** is a stretch of text that overlapping mentions cover, whoever gave them. It is suspect where the student, or
the annotator, gives other mentions there than the human did.

The student's doubt, from 0 to 1, is c times 1 - p, where p is its probability of what the human has there (the least,
over several mentions) and c that of what it has there itself: its confidence in its mention (the greatest), or, where
it has none, that none of the human mention's words is in any. What nobody knows is taken for the worst: where the human
has nothing, p is 0; where the student agrees with the human, c is 1. The annotator's doubt is 1 where it disagrees, or,
where it says how sure it is, its greatest confidence in what it has there; 0 where it agrees.

The **score** is the mean of the two doubts, weighted by how well each of them agrees with the human labels over the
whole corpus (strict F1), so that a poor annotator is heard little. Without an annotator's answer it is the student's
doubt alone. It ranks; it is no probability of an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.records import CONFIDENCES, Document, Span
from nerkd_local.select.opinions import Opinion

Kind = Literal["type", "boundary", "spurious", "missed"]
"""What would have to be mended: the label, the borders, a mention that is none, one that is not labelled."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place where the human labels are likely wrong.

    `start`, `end`: what all mentions of the place cover. `labels`: what stands there, `suggestion`: what is suggested
    instead; either may be empty. `score`: see above, in [0, 1]. `evidence`: who said what.
    """

    document: Document
    start: int
    end: int
    labels: tuple[Span, ...]
    suggestion: tuple[Span, ...]
    kind: Kind
    score: float
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each voice counts: its strict F1 against the human labels."""

    student: float
    annotator: float | None = None


def find_suspects(
    documents: Sequence[Document], opinions: Mapping[str, Opinion], annotated: Mapping[str, Document] | None = None
) -> list[Suspect]:
    """All suspect places, most suspicious first; equal scores in the order of the documents.

    `opinions`: one on each document, by id, of a student that did not train on it (see `experiment.crossfit`).
    `annotated`: an annotator's labels of the same documents by id, as far as there are usable ones.
    """
    heard = {
        document.id: annotated[document.id]
        for document in documents
        if annotated and document.id in annotated and is_usable(annotated[document.id])
    }
    weights = Weights(
        _f1((document.spans, opinions[document.id].spans) for document in documents),
        _f1((document.spans, heard[document.id].spans) for document in documents if document.id in heard)
        if heard
        else None,
    )
    suspects = [
        suspect
        for document in documents
        for suspect in _suspects_of(document, opinions[document.id], heard.get(document.id), weights)
    ]
    return sorted(suspects, key=lambda suspect: -suspect.score)


def _suspects_of(document: Document, opinion: Opinion, answer: Document | None, weights: Weights) -> Iterable[Suspect]:
    sure_of = dict(zip(opinion.spans, opinion.confidences, strict=True))
    likely = dict(zip(document.spans, opinion.of_labels, strict=True))
    nothing = dict(zip(document.spans, opinion.of_nothing or (1.0 for _ in document.spans), strict=True))
    given = () if answer is None else answer.spans
    for place in places([*document.spans, *opinion.spans, *given]):
        human = tuple(span for span in document.spans if span in place)
        student = tuple(span for span in opinion.spans if span in place)
        annotator = tuple(span for span in given if span in place)
        if human == student and (answer is None or human == annotator):
            continue
        doubt = _student_doubt(human, student, likely, sure_of, nothing)
        score, evidence = doubt, {"student": _rounded(doubt), "student_spans": _plain(student)}
        if human:
            evidence["student_of_labels"] = _rounded(min(likely[span] for span in human))
        if student:
            evidence["student_confidence"] = _rounded(max(sure_of[span] for span in student))
        if answer is not None and weights.annotator is not None:
            other = _annotator_doubt(human, annotator, answer)
            together = weights.student + weights.annotator
            if together:
                score = (weights.student * doubt + weights.annotator * other) / together
            evidence |= {"annotator": _rounded(other), "annotator_spans": _plain(annotator)}
        suggestion = annotator if human == student else student
        yield Suspect(
            document,
            min(span.start for span in place),
            max(span.end for span in place),
            human,
            suggestion,
            _kind(human, suggestion),
            _rounded(score),
            evidence,
        )


def places(spans: Iterable[Span]) -> list[set[Span]]:
    """The spans in groups of those that overlap, or overlap what overlaps them; in text order."""
    groups: list[set[Span]] = []
    end = -1
    for span in sorted(set(spans), key=lambda span: (span.start, span.end, span.label)):
        if span.start < end:
            groups[-1].add(span)
        else:
            groups.append({span})
        end = max(end, span.end)
    return groups


def _student_doubt(
    human: Sequence[Span],
    student: Sequence[Span],
    likely: Mapping[Span, float],
    sure_of: Mapping[Span, float],
    nothing: Mapping[Span, float],
) -> float:
    sure = max((sure_of[span] for span in student), default=0.0)
    if not human:
        return sure
    least = min(human, key=lambda span: likely[span])
    instead = 1.0 if human == student else sure if student else nothing[least]
    return instead * (1 - likely[least])


def _annotator_doubt(human: Sequence[Span], annotator: Sequence[Span], answer: Document) -> float:
    if human == annotator:
        return 0.0
    confidences = answer.meta.get(CONFIDENCES)
    if not annotator or not confidences:
        return 1.0
    sure_of = dict(zip(answer.spans, confidences, strict=True))
    return float(max(sure_of[span] for span in annotator))


def _kind(human: Sequence[Span], suggestion: Sequence[Span]) -> Kind:
    if not human:
        return "missed"
    if not suggestion:
        return "spurious"
    same_borders = [(span.start, span.end) for span in human] == [(span.start, span.end) for span in suggestion]
    return "type" if same_borders else "boundary"


def _f1(pairs: Iterable[tuple[Sequence[Span], Sequence[Span]]]) -> float:
    correct = total = 0
    for human, other in pairs:
        correct += len(set(human) & set(other))
        total += len(human) + len(other)
    return 2 * correct / total if total else 0.0


def _plain(spans: Iterable[Span]) -> list[list[object]]:
    return [[span.start, span.end, span.label] for span in spans]


def _rounded(number: float) -> float:
    return round(number, 6)
