"""How sure a sentence's labels are: of each entity, and of the sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from nerkd_local.errors import InputError
from nerkd_local.records import ANSWER_LOGPROB, CONFIDENCES, Document
from nerkd_local.select.opinions import Opinion
from nerkd_local.select.settings import ConfidenceFrom, SentenceBy

HINTS: dict[ConfidenceFrom, str] = {
    "annotator": "annotate with logprobs or votes, or take another `confidence`",
    "calibrated": "annotate with logprobs or votes, and calibrate again",
    "student": "make the opinions of these very labels",
}


class Calibrated(Protocol):
    """What makes calibrated confidences of the signals that a document's labels carry."""

    def confidences(self, document: Document) -> Sequence[float]:
        """One number from 0 to 1 for each of its spans, in their order."""
        ...


class Confidences:
    """The confidences of one policy. `path` only says where the documents are from, in errors."""

    def __init__(
        self,
        source: ConfidenceFrom,
        opinions: Mapping[str, Opinion] | None,
        calibration: Calibrated | None,
        path: Path | None = None,
    ) -> None:
        """Raises InputError where the opinions or the calibration that it needs are not given."""
        if source == "calibrated" and calibration is None:
            raise InputError("calibrated confidences need a calibration; give one, or take another `confidence`")
        if source == "student" and opinions is None:
            raise InputError("a student's confidences need its opinions; give them, or take another `confidence`")
        self._source, self._opinions, self._calibration, self._path = source, opinions, calibration, path

    def entities(self, document: Document) -> tuple[float, ...]:
        """One number from 0 to 1 for each of the document's spans, in their order.

        Raises InputError for a document that has none, or others than it has spans.
        """
        given = self._given(document)
        if not isinstance(given, list | tuple) or len(given) != len(document.spans):
            seen = f"{len(given)} confidences" if isinstance(given, list | tuple) else "no confidences"
            problem = f"sentence {document.id!r} has {len(document.spans)} entities and {seen}"
            raise InputError(f"{problem}; {HINTS[self._source]}", path=self._path)
        for number in given:
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
                problem = f"sentence {document.id!r}: {str(number)[:40]} is no confidence, a number from 0 to 1"
                raise InputError(f"{problem}; {HINTS[self._source]}", path=self._path)
        return tuple(map(float, given))

    def sentence(self, document: Document, by: SentenceBy) -> float:
        """The mean or the least of its entities'.

        A sentence without entities has 1 minus the student's confidence in its surest mention there, where a student
        is asked; elsewhere the geometric mean of the probabilities of the answer's tokens, where they are known, or 1.
        """
        numbers = self.entities(document)
        if numbers:
            return min(numbers) if by == "min" else sum(numbers) / len(numbers)
        if self._source == "student":
            return 1 - max(opinion_on(document, self._opinions or {}, self._path).confidences, default=0.0)
        logprob = document.meta.get(ANSWER_LOGPROB)
        return math.exp(min(logprob, 0.0)) if isinstance(logprob, int | float) else 1.0

    def _given(self, document: Document) -> Any:
        if self._source == "student":
            return opinion_on(document, self._opinions or {}, self._path).of_labels
        if not document.spans:
            return ()
        if self._source == "calibrated":
            assert self._calibration is not None
            return tuple(map(float, self._calibration.confidences(document)))
        return document.meta.get(CONFIDENCES)


def opinion_on(document: Document, opinions: Mapping[str, Opinion], path: Path | None) -> Opinion:
    """The opinion on the document. Raises InputError where there is none, or one of other labels."""
    opinion = opinions.get(document.id)
    if opinion is None:
        raise InputError(f"there is no opinion on the sentence {document.id!r}; {HINTS['student']}", path=path)
    if len(opinion.of_labels) != len(document.spans):
        problem = f"the opinion on {document.id!r} is of {len(opinion.of_labels)} labels, it has {len(document.spans)}"
        raise InputError(f"{problem}; {HINTS['student']}", path=path)
    return opinion
