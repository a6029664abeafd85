"""What each policy rules on one sentence. The budget, which has to see all sentences first, is in `budget`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nerkd_local.records import Document, Span
from nerkd_local.select.confidences import Confidences, opinion_on
from nerkd_local.select.decisions import Decision, Ruling, Verdict, drop, keep, weigh
from nerkd_local.select.opinions import Opinion
from nerkd_local.select.settings import AgreementSettings, ThresholdSettings, WeightedSettings

Judge = Callable[[Document], Verdict]
"""Rules on a sentence with a usable answer."""


def keep_all(document: Document) -> Verdict:
    """The sentence as it is."""
    return keep(document, "policy")


def by_threshold(settings: ThresholdSettings, confidences: Confidences) -> Judge:
    """Mask the entities below one threshold; drop the sentences below another."""

    def judge(document: Document) -> Verdict:
        if confidences.sentence(document, settings.sentence_by) < settings.sentence:
            return drop(document, "unsure")
        unsure = [number < settings.entity for number in confidences.entities(document)]
        if not any(unsure):
            return keep(document, "sure")
        masked = [(s.start, s.end, 0.0) for s, is_unsure in zip(document.spans, unsure, strict=True) if is_unsure]
        rulings: tuple[Ruling, ...] = tuple(("masked", "unsure") if each else ("kept", "sure") for each in unsure)
        return Verdict(("masked", "unsure"), rulings, weigh(document, masked))

    return judge


def by_weight(settings: WeightedSettings, confidences: Confidences) -> Judge:
    """Each entity's words weigh its confidence; an entity of confidence 0 is masked."""

    def judge(document: Document) -> Verdict:
        numbers = confidences.entities(document)
        if not numbers:
            return keep(document, "no_entities")
        rulings: tuple[Ruling, ...] = tuple((_by_number(number), "confidence") for number in numbers)
        weights = weigh(document, [(s.start, s.end, n) for s, n in zip(document.spans, numbers, strict=True)])
        # one word for the whole: the mildest that is true of a part, unless all is masked or all kept
        kinds = {decision for decision, _ in rulings}
        whole: Decision = kinds.pop() if len(kinds) == 1 else "weighted"
        return Verdict((whole, "confidence"), rulings, weights)

    return judge


def by_agreement(settings: AgreementSettings, opinions: Mapping[str, Opinion], path: Path | None = None) -> Judge:
    """Keep what annotator and student both have; mask what one of them has; drop a sentence with too much of that.

    The same mention has the same borders and the same type. Where the two differ over the same words, that is one
    disagreement, and the words of both are masked.
    """

    def judge(document: Document) -> Verdict:
        opinion = opinion_on(document, opinions, path)
        theirs = set(opinion.spans)
        disputed = [span for span in document.spans if span not in theirs]
        only_theirs = [
            span
            for span, confidence in zip(opinion.spans, opinion.confidences, strict=True)
            if span not in document.spans and confidence >= settings.student_confidence
        ]
        missed = sum(not any(_overlap(span, other) for other in disputed) for span in only_theirs)
        if len(disputed) + missed > settings.disagreements:
            return drop(document, "disagreements")
        if not disputed and not only_theirs:
            return keep(document, "agreed")
        masked = [(span.start, span.end, 0.0) for span in (*disputed, *only_theirs)]
        rulings: tuple[Ruling, ...] = tuple(
            ("kept", "agreed") if span in theirs else ("masked", "disputed") for span in document.spans
        )
        return Verdict(("masked", "disputed" if disputed else "missed"), rulings, weigh(document, masked), missed)

    return judge


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _by_number(number: float) -> Decision:
    return "kept" if number == 1 else "weighted" if number else "masked"
