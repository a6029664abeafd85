from __future__ import annotations

from math import exp, inf, log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from nerkd_local.stats.bootstrap import f1_difference, paired_resamples
from nerkd_local.stats.worth import Worth, isotonic, worth_in_originals

Counts = npt.NDArray[np.int64]


def scored(*rights: int, of: int = 100) -> Counts:
    """By seed, so many right of 100, on one sentence: F1 is that share, and the bootstrap of documents has no width."""
    return np.array([[[right, of, of]] for right in rights])


CURVE = {100: scored(40), 400: scored(60), 1600: scored(70)}


def worth(cells: list[tuple[int, Counts]], curve: dict[int, Counts] = CURVE) -> list[Worth]:
    return worth_in_originals(curve, cells, resamples=50, seed=0)


def test_the_size_that_reaches_as_much_is_read_off_a_line_in_the_logarithm_of_the_size() -> None:
    # half way from 40 to 60 is sqrt(100 * 400) = 200 sentences; three tenths from 60 to 70 is 400 * 4^0.3
    half, more, nothing, harm = worth([(100, scored(50)), (50, scored(63)), (400, scored(60)), (400, scored(50))])
    assert half == Worth(pytest.approx(100), pytest.approx(100), pytest.approx(100), 0, 1500, 0.0, 0.0)
    assert more.estimate == pytest.approx(400 * 4**0.3 - 50)
    assert (nothing.estimate, nothing.low, nothing.high) == pytest.approx((0, 0, 0))
    assert harm.estimate == pytest.approx(200 - 400)


def test_beyond_the_ends_nothing_is_extrapolated() -> None:
    over, top, under, bottom = worth([(250, scored(71)), (250, scored(70)), (250, scored(39)), (250, scored(40))])
    assert (over.estimate, over.low, over.high, over.most, over.above, over.below) == (inf, inf, inf, 1350, 1.0, 0.0)
    assert (top.estimate, top.above) == (pytest.approx(1350), 0.0)
    assert (under.estimate, under.high, under.least, under.above, under.below) == (-inf, -inf, -150, 0.0, 1.0)
    assert (bottom.estimate, bottom.below) == (pytest.approx(-150), 0.0)


def test_a_cell_that_is_as_good_as_a_size_in_every_resample_does_not_run_off_it_by_rounding() -> None:
    draws = np.random.default_rng(0)
    tables = []
    for share in (0.3, 0.6, 0.9):
        right = draws.binomial(7, share, (3, 40))
        tables.append(np.stack([right, right + draws.integers(0, 3, right.shape), right + 1], axis=2))
    low, middle, high = tables
    for found in worth([(10, low), (20, middle), (40, high)], {10: low, 20: middle, 40: high}):
        assert (found.above, found.below) == (0.0, 0.0)
        assert (found.estimate, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "least", "most", "sign"),
    [
        (1.0, 9.0, -5, 5, 1),
        (0.0, 9.0, -5, 5, 0),
        (-9.0, -1.0, -5, 5, -1),
        (inf, inf, -5, 0, 1),
        (inf, inf, -5, -2, 0),
        (-inf, -inf, 0, 5, -1),
        (-inf, -inf, 3, 5, 0),
        (-inf, inf, -5, 5, 0),
    ],
)
def test_the_sign_is_what_is_known_of_the_whole_interval(
    low: float, high: float, least: int, most: int, sign: int
) -> None:
    assert Worth(0.0, low, high, least, most, 0.0, 0.0).sign == sign


def test_a_single_size_is_no_curve() -> None:
    only = {100: scored(40)}
    assert [each.estimate for each in worth([(100, scored(x)) for x in (39, 40, 41)], only)] == [-inf, 0, inf]


def test_a_curve_that_falls_is_made_level_and_its_smallest_size_counts() -> None:
    # 50 and 46 become 48 and 48, which is reached at 200 already; 49 lies a sixth of the way to 54
    curve = {100: scored(40), 200: scored(50), 400: scored(46), 800: scored(54)}
    level, next_ = worth([(100, scored(48)), (100, scored(49))], curve)
    assert level.estimate == pytest.approx(100)
    assert next_.estimate == pytest.approx(400 * 2 ** (1 / 6) - 100)


@given(st.lists(st.lists(st.integers(0, 20), min_size=5, max_size=5), min_size=1, max_size=4))
def test_isotonic_means_are_those_of_pooling_adjacent_violators(rows: list[list[int]]) -> None:
    values = np.array(rows, dtype=np.float64)
    wanted = np.array([IsotonicRegression().fit_transform(np.arange(5), row) for row in values])
    np.testing.assert_allclose(isotonic(values), wanted, atol=1e-12)
    assert (np.diff(isotonic(values)) >= 0).all()
    np.testing.assert_allclose(isotonic(np.sort(values)), np.sort(values))


def test_seeds_are_drawn_together_for_the_curve_and_the_cell() -> None:
    # the second seed is better everywhere by as much as 100 -> 400 brings: which are drawn makes no difference
    curve = {100: scored(40, 60), 400: scored(60, 80), 1600: scored(80, 100)}
    (paired,) = worth([(100, scored(60, 80))], curve)
    assert (paired.low, paired.high) == pytest.approx((300, 300))
    # drawn apart, it would be worth nothing now and then; here the better seed of the cell meets the worse of the curve
    (crossed,) = worth([(100, scored(80, 60))], curve)
    assert (crossed.low, crossed.high, crossed.estimate) == pytest.approx((0, 1500, 300))


def test_resamples_that_run_off_stay_in_the_interval() -> None:
    # two documents: one where the cell beats the whole curve, one where the curve's end beats it
    curve = {100: np.array([[[20, 100, 100], [20, 100, 100]]]), 400: np.array([[[60, 100, 100], [60, 100, 100]]])}
    (mixed,) = worth_in_originals(curve, [(100, np.array([[[10, 100, 100], [90, 100, 100]]]))], resamples=2000, seed=0)
    # means of 10 and 10, 10 and 90 (twice as likely), 90 and 90
    assert (mixed.below, mixed.above) == pytest.approx((0.25, 0.25), abs=0.03)
    assert (mixed.low, mixed.high) == (-inf, inf)
    assert mixed.estimate == pytest.approx(exp((log(100) + 3 * log(400)) / 4) - 100)


def test_the_same_sentences_and_seeds_are_needed_for_all() -> None:
    with pytest.raises(ValueError, match="at least one is needed"):
        worth([], {})
    with pytest.raises(ValueError, match="none below 1"):
        worth([], {0: scored(1)})
    with pytest.raises(ValueError, match=r"shapes .*1, 1, 3.*2, 1, 3"):
        worth([(100, scored(1, 2))])
    with pytest.raises(ValueError, match="a level of 1"):
        worth_in_originals(CURVE, [], level=1, seed=0)
    assert worth([]) == []


def test_paired_resamples_are_those_of_a_difference() -> None:
    draws = np.random.default_rng(5)
    gold = np.full((3, 40), 10)
    a, b = (np.stack([draws.binomial(10, p, (3, 40)), gold, gold], axis=2) for p in (0.5, 0.6))
    means = paired_resamples([a, b], groups=np.arange(40) // 2, resamples=200, seed=9)
    wanted = f1_difference(a, b, groups=np.arange(40) // 2, resamples=200, seed=9)
    assert np.quantile(means[:, 0] - means[:, 1], [0.025, 0.975]) == pytest.approx((wanted.low, wanted.high))
    with pytest.raises(ValueError, match="at least 1"):
        paired_resamples([], seed=0)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """200 worlds of known truth: documents differ in how hard they are, for all students and by size, as do seeds.

    The curve is straight in the logarithm, as the model has it, so what is tested is the bootstrap.
    """
    draws = np.random.default_rng(11)
    sizes, own, true, documents, seeds = [100, 200, 400, 800, 1600], 100, 250.0, 60, 5
    held = wide = 0
    for _ in range(200):
        hard = draws.normal(0, 0.1, documents)

        def students(size: float, hard: npt.NDArray[np.float64] = hard) -> Counts:
            skill = 0.45 + 0.06 * log(size / 100) + hard + draws.normal(0, 0.05, documents)
            right = draws.binomial(25, np.clip(skill + draws.normal(0, 0.006, (seeds, 1)), 0, 1))
            return np.stack([right, np.full_like(right, 25), np.full_like(right, 25)], axis=2)

        curve = {size: students(size) for size in sizes}
        (found,) = worth_in_originals(curve, [(own, students(own + true))], resamples=200, seed=0)
        held += found.low <= true <= found.high
        wide += found.high - found.low > 700
    # 190 of 200 at 95 %, with a standard deviation of 3; what belongs to one seed on one document counts for too much
    assert 183 <= held <= 198
    assert wide < 20  # and not by being uselessly wide
