"""Calibration figures, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.stats.calibration import (
    Bin,
    as_arrays,
    aurc,
    brier,
    document_interval,
    ece,
    reliability_bins,
    risk_coverage,
    share_wrong,
)

CONFIDENCE, RIGHT = as_arrays([0.9, 0.8, 0.6, 0.5], [1, 1, 0, 1])


def test_bins_have_equal_mass() -> None:
    assert reliability_bins(CONFIDENCE, RIGHT, 2) == [
        Bin(2, pytest.approx(0.55), 0.5),
        Bin(2, pytest.approx(0.85), 1.0),
    ]
    assert [each.count for each in reliability_bins(CONFIDENCE, RIGHT, 3)] == [2, 1, 1]
    assert [each.count for each in reliability_bins(CONFIDENCE, RIGHT, 15)] == [1] * 4


def test_ece_is_the_mean_distance_over_the_bins() -> None:
    assert ece(CONFIDENCE, RIGHT, 2) == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)
    assert ece(CONFIDENCE, RIGHT, 1) == pytest.approx(0.05)
    assert ece(*as_arrays([1.0, 0.0], [1, 0])) == 0


def test_equal_confidences_are_no_ranking() -> None:
    sure, right = as_arrays([0.7] * 4, [1, 1, 0, 1])
    assert ece(sure, right, 4) == pytest.approx(0.05)
    assert aurc(sure, right) == pytest.approx(0.25) == pytest.approx(share_wrong(right))


def test_brier_is_the_mean_squared_distance() -> None:
    assert brier(CONFIDENCE, RIGHT) == pytest.approx((0.01 + 0.04 + 0.36 + 0.25) / 4)


def test_risk_is_what_is_wrong_among_the_surest() -> None:
    coverage, risk = risk_coverage(CONFIDENCE, RIGHT)
    assert list(coverage) == [0.25, 0.5, 0.75, 1]
    assert list(risk) == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert aurc(CONFIDENCE, RIGHT) == pytest.approx((1 / 3 + 1 / 4) / 4)
    # a tie of a right and a wrong one is half an error each, whichever stands first
    sure, right = as_arrays([0.9, 0.5, 0.5, 0.1], [1, 0, 1, 1])
    assert list(risk_coverage(sure, right)[1]) == pytest.approx([0, 1 / 4, 1 / 3, 1 / 4])


def test_nothing_found_is_0() -> None:
    empty = as_arrays([], [])
    assert (ece(*empty), brier(*empty), aurc(*empty), share_wrong(empty[1])) == (0, 0, 0, 0)


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        ece(CONFIDENCE, RIGHT[:2])


pairs = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.integers(0, 1)), min_size=1, max_size=40)


@given(pairs, st.integers(0, 2**32 - 1))
def test_the_order_of_the_entities_changes_nothing(rows: list[tuple[float, int]], seed: int) -> None:
    sure, right = as_arrays(*zip(*rows, strict=True))
    order = np.random.default_rng(seed).permutation(len(rows))
    for statistic in (ece, brier, aurc):
        assert statistic(sure[order], right[order]) == pytest.approx(statistic(sure, right))
        assert 0 <= statistic(sure, right) <= 1


@given(pairs)
def test_a_perfect_ranking_has_the_least_area_and_the_reverse_the_largest(rows: list[tuple[float, int]]) -> None:
    sure, right = as_arrays(*zip(*rows, strict=True))
    assert aurc(right, right) <= aurc(sure, right) + 1e-12
    assert aurc(sure, right) <= aurc(-right, right) + 1e-12
    assert aurc(sure, right) == pytest.approx(aurc(sure**3 - 5, right))


def test_intervals_draw_documents_whole() -> None:
    values = np.array([0.0] * 50 + [1.0] * 50)
    groups = np.repeat(["a", "b"], 50)
    found = document_interval(lambda column: float(column.mean()), values, groups=groups, seed=1)
    assert (found.low, found.mean, found.high) == (0.0, 0.5, 1.0)
    alone = document_interval(lambda column: float(column.mean()), values, seed=1)
    assert 0.38 < alone.low < 0.45
    assert alone == document_interval(lambda column: float(column.mean()), values, seed=1)


@pytest.mark.parametrize("wrong", [{"resamples": 0}, {"level": 1.0}])
def test_impossible_intervals_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        document_interval(aurc, CONFIDENCE, RIGHT, seed=0, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one row"):
        document_interval(aurc, *as_arrays([], []), seed=0)
