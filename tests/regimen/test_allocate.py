"""Hand-numbered cases, and the two promises: every batch is possible, no rounding error adds up."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.regimen.allocate import allocate_counts


@pytest.mark.parametrize(
    ("shares", "batch_size", "expected"),
    [
        # running sums of B * w: 3.5, 6, 7.5, 8; a half rounds up
        ([0.875, 0.625, 0.375, 0.125], 4, [4, 2, 2, 0]),
        ([1, 1, 0, 0], 4, [4, 4, 0, 0]),
        ([0, 0, 0], 8, [0, 0, 0]),
        ([1, 1, 1], 8, [8, 8, 8]),
        # 1.2, 2.4, 3.6, 4.8 round to 1, 2, 4, 5
        ([0.3, 0.3, 0.3, 0.3], 4, [1, 1, 2, 1]),
        # .25, .5, .75, 1, 1.25, 1.5, 1.75, 2 round to 0, 1, 1, 1, 1, 2, 2, 2
        ([0.25] * 8, 1, [0, 1, 0, 0, 0, 1, 0, 0]),
        # 2.25, 4.5, 6.75, 9 round to 2, 5, 7, 9
        ([0.75] * 4, 3, [2, 3, 2, 2]),
        # too little in any one step to count, and still not lost: 1/16 a step is one example in sixteen
        ([0.0625] * 16, 1, [0] * 7 + [1] + [0] * 8),
        ([0.5], 1, [1]),
        ([0.49], 1, [0]),
        ([], 4, []),
    ],
)
def test_counts_equal_the_hand_derived_table(shares, batch_size, expected):
    counts = allocate_counts(np.array(shares, dtype=np.float64), batch_size)
    assert counts.tolist() == expected
    assert counts.dtype == np.int64


some_shares = st.lists(st.floats(0, 1), max_size=60).map(lambda values: np.array(values, dtype=np.float64))


@given(some_shares, st.integers(1, 4096))
def test_every_batch_is_possible_and_every_running_total_within_half_an_example(shares, batch_size):
    counts = allocate_counts(shares, batch_size)
    assert np.all((counts >= 0) & (counts <= batch_size))
    wanted, given_out = Fraction(0), 0
    for share, count in zip(shares.tolist(), counts.tolist(), strict=True):
        wanted += Fraction(share) * batch_size
        given_out += count
        assert abs(given_out - wanted) <= Fraction(1, 2) + Fraction(len(shares) * batch_size, 2**41)


@given(st.lists(st.integers(0, 2**20), max_size=40), st.integers(1, 512))
def test_shares_on_the_grid_are_allocated_by_the_formula_exactly(numerators, batch_size):
    shares = [Fraction(n, 2**20) for n in numerators]
    sums = [sum(shares[:n], Fraction(0)) * batch_size for n in range(len(shares) + 1)]
    rounded = [(value + Fraction(1, 2)).__floor__() for value in sums]
    expected = [after - before for before, after in pairwise(rounded)]
    assert allocate_counts(np.array(shares, dtype=np.float64), batch_size).tolist() == expected


@given(some_shares, st.integers(1, 512), st.randoms(use_true_random=False))
def test_a_difference_in_the_last_bit_of_shares_like_a_halfs_moves_no_example(shares, batch_size, random):
    halves = np.full(len(shares), 0.5)
    jittered = np.array([np.nextafter(0.5, random.choice([0.0, 1.0])) for _ in shares])
    assert allocate_counts(jittered, batch_size).tolist() == allocate_counts(halves, batch_size).tolist()


def test_a_long_run_of_an_awkward_share_stays_exact():
    counts = allocate_counts(np.full(100_000, 1 / 3), 32)
    assert abs(int(counts.sum()) - 100_000 * 32 / 3) <= 0.5
    assert set(counts.tolist()) == {10, 11}


@pytest.mark.parametrize("shares", [[1.1], [-0.1], [float("nan")], [[0.5]]])
def test_shares_that_are_no_shares_are_refused(shares):
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\]"):
        allocate_counts(np.array(shares), 4)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        allocate_counts(np.array([0.5]), 0)
