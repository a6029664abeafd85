"""From signals to confidences that mean what they say: the share of such entities that is right.

A logistic regression, fitted on sentences that people have labelled too (Platt, 1999): few parameters, so a few
hundred entities do, and what it learnt can be read. It is about entities that were found: how many were missed, no
confidence tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nerkd_local.errors import InputError
from nerkd_local.files import write_json
from nerkd_local.records import ANSWER_LOGPROB, CONFIDENCES, SIGNALS, Document
from nerkd_local.settings import Settings, load_json_settings

FEWEST = 30
"""Entities that a calibration takes at least, and at least `FEWEST_OF_EACH` that are right and as many that are not."""
FEWEST_OF_EACH = 5

_LOGARITHMS = frozenset({"mention", "mention_mean", "mention_min", "label", "sentence"})
_PROBABILITIES = frozenset({"verified", "student"})
_CONFIDENCE = "logit"
"""What a confidence is called among the features, where there are no signals."""
_EDGE = 0.0001
"""How near to 0 or 1 a probability is taken to be: signals have four digits, and no slice of some hundred entities
shows more of a calibrated confidence."""


class Calibration(Settings):
    """A fitted calibration, as it stands in its file. Lists go with `names`, the signals it uses."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    """Of the standardised signals; one that a span lacks counts as the mean."""
    intercept: float
    spans: int = Field(ge=0)
    """How many entities it was fitted on."""
    right: int = Field(ge=0)
    run: str | None = None
    """The fingerprint of the annotation run that they come from, where it is known."""

    def confidences(self, document: Document) -> tuple[float, ...]:
        """The calibrated confidence of each of a document's spans, in their order.

        Raises InputError for a document whose spans have neither signals nor confidences, or not what it was fitted on.
        """
        features = span_features(document)
        if not features:
            return ()
        if (self.names == (_CONFIDENCE,)) if SIGNALS in document.meta else (_CONFIDENCE not in self.names):
            had, has = (
                ("confidences alone", "signals") if SIGNALS in document.meta else ("signals", "confidences alone")
            )
            raise InputError(
                f"the calibration was fitted on {had}, and document {document.id!r} has {has}; fit one on such labels"
            )
        scores = self.intercept + _standardised(features, self) @ np.array(self.coefficients)
        edge = _logit(1 - _EDGE)
        chances = 1 / (1 + np.exp(-np.clip(scores, -edge, edge)))
        return tuple(round(float(chance), 6) for chance in chances)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, self.model_dump(mode="json"))


def load_calibration(path: Path) -> Calibration:
    """The calibration in a file. Raises InputError for what is none."""
    return load_json_settings(Calibration, path)


def span_features(document: Document) -> list[dict[str, float]]:
    """What is known of each span: its signals; where there are none, its confidence (a student's).

    Probabilities and their logarithms become log-odds: among sure tokens a logarithm is 0 whether one in ten is wrong
    or one in a thousand. What is a share of a few votes, or of a name that is not known here, stays as it is.

    Raises InputError where there is neither, or not one for each span.
    """
    signals, confidences = document.meta.get(SIGNALS), document.meta.get(CONFIDENCES)
    if signals is None and confidences is None and not document.spans:
        return []
    found: list[dict[str, float]]
    if signals is not None:
        found = [{name: _feature(name, float(value)) for name, value in of_span.items()} for of_span in signals]
    elif confidences is not None:
        found = [{_CONFIDENCE: _logit(float(confidence))} for confidence in confidences]
    else:
        raise InputError(
            f"document {document.id!r} has no confidences; annotate with logprobs, votes or verify, or predict with a "
            "student"
        )
    if len(found) != len(document.spans):
        raise InputError(f"document {document.id!r} has {len(document.spans)} spans and signals of {len(found)}")
    return found


def are_right(human: Document, annotated: Document) -> list[bool]:
    """Of each span of the annotated document, whether its borders and type are a human label's."""
    truth = set(human.spans)
    return [span in truth for span in annotated.spans]


def fit_calibration(labelled: Iterable[tuple[Document, Document]], *, run: str | None = None) -> Calibration:
    """Fit on (human, annotated) documents of the same texts: all signals that occur, standardised, L2 at strength 1.

    The same pairs give the same calibration. Raises InputError for too few entities, or too few right or wrong ones.
    """
    features: list[dict[str, float]] = []
    right: list[bool] = []
    for human, annotated in labelled:
        features += span_features(annotated)
        right += are_right(human, annotated)
    _check_enough(right)
    names = tuple(sorted({name for of_span in features for name in of_span}))
    if not names:
        raise InputError(f"none of the {len(right)} entities has a signal; annotate with logprobs, votes or verify")
    known = [[of_span[name] for of_span in features if name in of_span] for name in names]
    plain = Calibration(
        names=names,
        means=tuple(float(np.mean(values)) for values in known),
        # of equal values the deviation may be a rounding error, by which nothing can be divided
        scales=tuple(float(np.std(values)) if np.ptp(values) else 1.0 for values in known),
        coefficients=(0.0,) * len(names),
        intercept=0.0,
        spans=len(right),
        right=sum(right),
        run=run,
    )
    weights, intercept = _fit(_standardised(features, plain), right)
    return plain.model_copy(update={"coefficients": weights, "intercept": intercept})


def _check_enough(right: Sequence[bool]) -> None:
    if len(right) < FEWEST or not FEWEST_OF_EACH <= sum(right) <= len(right) - FEWEST_OF_EACH:
        raise InputError(
            f"{len(right)} entities, {sum(right)} of them right, are too few to calibrate on: at least {FEWEST} with "
            f"{FEWEST_OF_EACH} right and {FEWEST_OF_EACH} wrong ones are needed; annotate more labelled sentences"
        )


def _standardised(features: Sequence[Mapping[str, float]], calibration: Calibration) -> NDArray[np.float64]:
    """Shape: (spans, names). A signal that is not there is 0, the mean."""
    parameters = list(zip(calibration.names, calibration.means, calibration.scales, strict=True))
    rows = [[(of.get(name, mean) - mean) / scale for name, mean, scale in parameters] for of in features]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(parameters))


def _fit(table: NDArray[np.float64], right: Sequence[bool]) -> tuple[tuple[float, ...], float]:
    # here: scikit-learn takes a second to import, which scoring need not pay
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(C=1.0, max_iter=1000).fit(table, right)
    return tuple(float(weight) for weight in model.coef_[0]), float(model.intercept_[0])


def _feature(name: str, value: float) -> float:
    if name in _LOGARITHMS:
        return _logit(math.exp(min(0.0, value)))
    return _logit(value) if name in _PROBABILITIES else value


def _logit(confidence: float) -> float:
    inside = min(max(confidence, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))


@dataclass(frozen=True, slots=True)
class FoundSpans:
    """Every span of annotated documents, flat: columns for `stats.calibration`, and the documents' names beside."""

    confidences: tuple[float, ...]
    """As the documents have them."""
    calibrated: tuple[float, ...] | None
    sentence: tuple[float, ...] | None
    """The mean log-probability of each span's whole answer; None where not all have one."""
    right: tuple[float, ...]
    groups: tuple[str, ...]


def collect_spans(
    pairs: Iterable[tuple[Document, Document]], calibration: Calibration | None = None
) -> FoundSpans | None:
    """The spans of (human, annotated) pairs; None where some annotated document with spans has no confidences.

    Raises InputError for confidences that are not a number for each span.
    """
    confidences: list[float] = []
    calibrated: list[float] = []
    sentence: list[float | None] = []
    right: list[float] = []
    groups: list[str] = []
    for human, annotated in pairs:
        if not annotated.spans:
            continue
        if CONFIDENCES not in annotated.meta:
            return None
        confidences += _confidences(annotated)
        if calibration:
            calibrated += calibration.confidences(annotated)
        sentence += [annotated.meta.get(ANSWER_LOGPROB)] * len(annotated.spans)
        right += map(float, are_right(human, annotated))
        groups += [str(human.meta.get("document", human.id))] * len(annotated.spans)
    known = [value for value in sentence if value is not None]
    return FoundSpans(
        tuple(confidences),
        tuple(calibrated) if calibration else None,
        tuple(known) if len(known) == len(sentence) else None,
        tuple(right),
        tuple(groups),
    )


def _confidences(document: Document) -> list[float]:
    given = document.meta[CONFIDENCES]
    numbers = isinstance(given, list) and all(isinstance(each, int | float) for each in given)
    if not numbers or len(given) != len(document.spans):
        raise InputError(f"document {document.id!r} has {len(document.spans)} spans and other confidences than theirs")
    return list(map(float, given))
