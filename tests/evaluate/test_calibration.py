"""Calibration is fitted on what is right, says what it learnt, and is refused where there is too little."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from nerkd_local.errors import InputError
from nerkd_local.evaluate.calibration import (
    Calibration,
    are_right,
    collect_spans,
    fit_calibration,
    load_calibration,
    span_features,
)
from nerkd_local.records import Document, Span, from_words

WORDS = ["Ann", "met", "Bob"]
ANN, BOB = Span(0, 3, "PER"), Span(8, 11, "PER")


def pair(number: int, right: bool, **meta: object) -> tuple[Document, Document]:
    human = from_words(f"d:{number}", WORDS, (ANN,) if right else (), {"document": f"d{number // 4}"})
    return human, from_words(f"d:{number}", WORDS, (ANN,), dict(meta))


def drawn(count: int, seed: int = 0) -> list[tuple[Document, Document]]:
    """Entities whose log-probability x says by the logistic function of 2x + 1 how often they are right."""
    draw = Random(seed)
    pairs = []
    for number in range(count):
        x = draw.gauss(0, 1)
        right = draw.random() < 1 / (1 + np.exp(-(2 * x + 1)))
        pairs.append(pair(number, right, signals=[{"x": x, "noise": draw.gauss(0, 1)}], confidences=[0.9]))
    return pairs


def test_it_learns_how_often_such_entities_are_right() -> None:
    fitted = fit_calibration(drawn(3000))
    assert fitted.names == ("noise", "x")
    noise, weight = (w / s for w, s in zip(fitted.coefficients, fitted.scales, strict=True))
    assert weight == pytest.approx(2, abs=0.3)
    assert noise == pytest.approx(0, abs=0.15)
    (chance,) = fitted.confidences(pair(0, True, signals=[{"x": 0.0, "noise": 0.0}])[1])
    assert chance == pytest.approx(1 / (1 + np.exp(-1)), abs=0.04)
    assert fit_calibration(drawn(3000)) == fitted


def test_probabilities_that_are_right_as_often_as_they_say_stay_what_they_are() -> None:
    draw = Random(2)
    pairs = []
    for number in range(3000):
        chance = draw.uniform(0.02, 0.9999)
        told = {"label": float(np.log(chance))} if number % 2 else {"verified": chance, "label": float(np.log(chance))}
        pairs.append(pair(number, draw.random() < chance, signals=[told]))
    fitted = fit_calibration(pairs)
    for chance in (0.1, 0.5, 0.9, 0.99):
        (found,) = fitted.confidences(pair(0, True, signals=[{"label": float(np.log(chance)), "verified": chance}])[1])
        assert found == pytest.approx(chance, abs=0.04)


def test_logarithms_and_probabilities_are_features_as_log_odds_and_shares_as_they_are() -> None:
    told = {"mention": float(np.log(0.5)), "sentence": 0.0, "verified": 0.8, "votes": 0.8, "masked": 1.0}
    (features,) = span_features(pair(0, True, signals=[told])[1])
    assert features == pytest.approx(
        {"mention": 0.0, "sentence": np.log(9999), "verified": np.log(4), "votes": 0.8, "masked": 1.0}
    )


def test_a_signal_that_a_span_lacks_counts_as_the_mean() -> None:
    fitted = fit_calibration(drawn(200))
    by_name = dict(zip(fitted.names, fitted.means, strict=True))
    (with_mean,) = fitted.confidences(pair(0, True, signals=[{"x": 0.5, "noise": by_name["noise"]}])[1])
    (without,) = fitted.confidences(pair(0, True, signals=[{"x": 0.5}])[1])
    assert without == with_mean


def test_a_students_confidences_are_calibrated_by_their_logit() -> None:
    draw = Random(1)
    pairs = [pair(n, draw.random() < 0.6, confidences=[0.99 if draw.random() < 0.5 else 0.9]) for n in range(400)]
    fitted = fit_calibration(pairs)
    assert fitted.names == ("logit",)
    (chance,) = fitted.confidences(pairs[0][1])
    assert chance == pytest.approx(0.6, abs=0.08)


def test_a_calibration_of_signals_is_none_of_a_students_confidences_nor_the_reverse() -> None:
    by_signals = fit_calibration(drawn(100))
    by_confidence = fit_calibration([pair(n, n % 3 > 0, confidences=[0.9]) for n in range(60)])
    with pytest.raises(InputError, match="fitted on signals, and document 'd:0' has confidences alone"):
        by_signals.confidences(pair(0, True, confidences=[0.9])[1])
    with pytest.raises(InputError, match="fitted on confidences alone, and document 'd:0' has signals"):
        by_confidence.confidences(pair(0, True, signals=[{"x": 1.0}], confidences=[0.9])[1])
    assert len(by_signals.confidences(pair(0, True, signals=[{}])[1])) == 1


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    fitted = fit_calibration(drawn(100), run="abc")
    fitted.save(tmp_path / "calibration.json")
    assert load_calibration(tmp_path / "calibration.json") == fitted
    assert (fitted.spans, fitted.run) == (100, "abc")
    (tmp_path / "calibration.json").write_text('{"names": []}')
    with pytest.raises(InputError, match=r"calibration\.json"):
        load_calibration(tmp_path / "calibration.json")


@pytest.mark.parametrize(
    "pairs",
    [
        drawn(29),
        [pair(n, True, confidences=[0.9]) for n in range(100)],
        [pair(n, n < 4, confidences=[0.9]) for n in range(100)],
        [],
    ],
)
def test_too_few_entities_are_refused(pairs: list[tuple[Document, Document]]) -> None:
    with pytest.raises(InputError, match="too few to calibrate on"):
        fit_calibration(pairs)


def test_a_span_without_anything_to_go_by_is_refused() -> None:
    with pytest.raises(InputError, match="'d:0' has no confidences"):
        span_features(pair(0, True)[1])
    with pytest.raises(InputError, match="1 spans and signals of 2"):
        span_features(pair(0, True, signals=[{}, {}])[1])
    assert span_features(from_words("d", WORDS)) == []


def test_entities_without_any_signal_are_refused() -> None:
    with pytest.raises(InputError, match="none of the 60 entities has a signal"):
        fit_calibration([pair(n, n % 2 == 0, signals=[{}]) for n in range(60)])


def test_a_signal_that_was_always_the_same_says_nothing_of_others() -> None:
    # of so many equal numbers numpy's deviation is not 0 but a rounding error
    assert 0 < np.std([0.3] * 399) < 1e-12
    fitted = fit_calibration([pair(n, n % 3 > 0, signals=[{"x": 0.3}]) for n in range(399)])
    (chance,) = fitted.confidences(pair(0, True, signals=[{"x": 0.9}])[1])
    assert chance == pytest.approx(2 / 3, abs=0.01)


def test_confidences_of_other_spans_are_refused() -> None:
    for given in ([0.5, 0.5], [None], 0.5):
        with pytest.raises(InputError, match="'d:0' has 1 spans and other confidences"):
            collect_spans([pair(0, True, confidences=given)])


def test_no_confidence_is_certain() -> None:
    steep = Calibration(
        names=("x",), means=(0.0,), scales=(1.0,), coefficients=(100.0,), intercept=0.0, spans=1, right=1
    )
    chances = [steep.confidences(pair(0, True, signals=[{"x": x}])[1])[0] for x in (-9.0, 9.0)]
    assert chances == [0.0001, 0.9999]


def test_right_is_borders_and_type() -> None:
    human = from_words("d", WORDS, (ANN, BOB))
    found = from_words("d", WORDS, (Span(0, 3, "ORG"), BOB))
    assert are_right(human, found) == [False, True]
    assert are_right(human, from_words("d", WORDS, (Span(0, 11, "PER"),))) == [False]


def test_spans_are_collected_with_their_documents() -> None:
    pairs = [pair(n, n % 2 == 0, confidences=[0.5], answer_logprob=-1.0) for n in range(6)]
    pairs.append((from_words("e", WORDS), from_words("e", WORDS)))
    spans = collect_spans(pairs)
    assert spans is not None
    assert spans.right == (1.0, 0.0) * 3
    assert spans.groups == ("d0",) * 4 + ("d1",) * 2
    assert spans.sentence == (-1.0,) * 6
    assert spans.calibrated is None
    assert collect_spans([*pairs, pair(0, True)]) is None
    without = collect_spans([pair(0, True, confidences=[0.5])])
    assert without is not None
    assert without.sentence is None
