"""The test where its chance can be worked out, and what must hold for any table. That it keeps its level is in
test_simulation.py."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.stats import randomisation
from nerkd_local.stats.randomisation import influence, p_value, randomise, reach_of, unshared_part
from tests.stats.test_bootstrap import NOTHING, RIGHT, WRONG, some_tables, table


def of_f1(*tenths):
    """One document a seed, with that many of ten entities right."""
    return np.array([[[right, 10, 10]] for right in tenths])


@pytest.mark.parametrize("documents", [3, 5])
def test_with_one_seed_only_all_or_none_swapped_goes_as_far_as_always_right_against_always_wrong(documents):
    test = randomise(table([RIGHT] * documents), table([WRONG] * documents), seed=0)
    assert test.difference == 1
    assert test.p == test.p_models == pytest.approx(2 / 2**documents, abs=0.02)
    assert set(np.round(np.abs(test.swapped) * documents)) == set(range(documents % 2, documents + 1, 2))


def test_sentences_of_a_document_are_swapped_together():
    test = randomise(table([RIGHT] * 6), table([WRONG] * 6), groups=list("aaabbb"), seed=0)
    assert test.p == pytest.approx(0.5, abs=0.02)


def test_the_seeds_error_and_freedom_are_those_of_welch():
    """Means .9 and .6; variances .02 / 2 and 0, of which one has a degree of freedom."""
    test = randomise(of_f1(10, 8), of_f1(6, 6), seed=0)
    assert (test.difference, test.seed_error, test.seed_freedom) == pytest.approx((0.3, 0.1, 1))
    even = randomise(of_f1(10, 8, 9), of_f1(6, 4, 5), seed=0)
    assert (even.seed_error, even.seed_freedom) == pytest.approx((sqrt(0.02 / 3), 4))


def test_luck_of_the_seeds_makes_a_difference_less_sure_than_the_models_are():
    a = np.concatenate([table([RIGHT] * 40), table([RIGHT] * 20 + [WRONG] * 20)])
    test = randomise(a, table([WRONG] * 40, [WRONG] * 40), seed=0)
    assert test.p_models < 0.001
    assert test.p > 0.05


@pytest.mark.parametrize(
    ("added", "share"),
    [
        ([[2, 0], [1, 1]], 1.0),  # rests of 1/2 each: 1 / 1; documents: 2 * var(1.5, .5) = 1
        ([[3, 0], [3, 0]], 0.0),
        ([[1, 0], [0, 1]], 0.0),  # documents do not differ at all, so nothing is taken away
        ([[4, 0, 2], [2, 0, 4]], 2 / 6),  # rests: 0, 0, 1 in squares, -1 for the other: 4 / 2; 2 * var(3, 0, 3) = 6
    ],
)
def test_the_part_of_single_seeds_by_hand(added, share):
    assert unshared_part(np.array(added, float)) == pytest.approx(share)


@given(some_tables())
@settings(max_examples=50)
def test_what_documents_add_is_the_f1(counts):
    added = influence(counts.transpose(1, 0, 2).astype(float))
    correct, predicted, gold = counts.sum(axis=1).T
    assert added.shape == counts.shape[:2]
    assert added.sum(axis=1) == pytest.approx(2 * correct / np.maximum(predicted + gold, 1), abs=1e-9)


@given(some_tables(), st.integers(0, 3))
@settings(max_examples=50)
def test_changing_sides_changes_the_sign_and_no_p(counts, seed):
    other = counts.copy()
    other[..., 0] //= 2
    ab, ba = (randomise(*pair, resamples=60, seed=seed) for pair in ((counts, other), (other, counts)))
    assert ab.difference == pytest.approx(-ba.difference)
    assert ab.swapped == pytest.approx(-ba.swapped)
    assert ab.p_models == ba.p_models
    assert 0 < ab.p <= 1


@given(some_tables())
@settings(max_examples=30)
def test_a_system_does_not_differ_from_itself(counts):
    test = randomise(counts, counts, resamples=40, seed=0)
    assert (test.difference, test.p, test.p_models) == (0, 1, 1)
    interval = test.interval(0.9)
    assert interval.low <= 0 <= interval.high


def test_seeds_that_agree_are_as_one():
    a, b = table([RIGHT, WRONG, RIGHT, RIGHT, NOTHING]), table([RIGHT, WRONG, WRONG, WRONG, WRONG])
    one, three = (randomise(np.repeat(a, k, axis=0), np.repeat(b, k, axis=0), seed=3) for k in (1, 3))
    assert one.p == three.p
    assert three.seed_error == 0
    assert three.chance == pytest.approx(one.swapped)


def test_what_belongs_to_single_seeds_is_not_taken_out_where_no_spread_has_it():
    """All seeds have F1 .5, in other documents: without a seeds' part the documents' part stays whole."""
    a = table([RIGHT, RIGHT, WRONG, WRONG, RIGHT, WRONG], [RIGHT, RIGHT, WRONG, RIGHT, WRONG, WRONG])
    b = table([WRONG] * 6, [WRONG] * 6)
    test = randomise(a, b, seed=0)
    by_document = influence(a.transpose(1, 0, 2).astype(float)) - influence(b.transpose(1, 0, 2).astype(float))
    assert unshared_part(by_document) > 0.1
    assert (test.seed_error, test.unshared) == (0, 0)
    assert test.p == test.p_models


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=60),
    st.floats(-1, 1),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_a_difference_beyond_the_reach_is_one_whose_p_is_small_enough(chance, difference, level):
    draws = np.array(chance)
    reach = reach_of(draws, level)
    if abs(abs(difference) - reach) > 1e-9:
        assert (abs(difference) > reach) == (p_value(draws, difference) <= 1 - level + 1e-9)


def test_too_few_resamples_reach_anywhere():
    assert reach_of(np.zeros(18), 0.95) == inf
    assert reach_of(np.zeros(19), 0.95) == 0
    assert p_value(np.zeros(19), 0.1) == 0.05


@given(some_tables(), st.integers(1, 40))
@settings(max_examples=25)
def test_resampling_in_pieces_changes_nothing(counts, cells):
    other = counts[:, ::-1]
    whole = randomise(counts, other, resamples=30, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(randomisation, "_CELLS", cells)
        pieces = randomise(counts, other, resamples=30, seed=5)
    assert (pieces.swapped.shape, pieces.balance.shape) == ((30,), (30,))
    assert pieces.seed_luck == pytest.approx(whole.seed_luck)
    assert pieces.difference == whole.difference


def test_the_same_seed_gives_the_same_test_and_another_seed_another():
    a, b = table([RIGHT, WRONG, RIGHT] * 9, [RIGHT] * 27), table([RIGHT, WRONG, WRONG] * 9, [WRONG, RIGHT, RIGHT] * 9)
    assert randomise(a, b, seed=1).p == randomise(a, b, seed=1).p
    assert len({randomise(a, b, resamples=99, seed=seed).p for seed in range(20)}) > 1


def test_what_does_not_fit_together_is_refused():
    one, two = table([RIGHT] * 4), table([RIGHT] * 4, [WRONG] * 4)
    with pytest.raises(ValueError, match="as many seeds"):
        randomise(one, two, seed=0)
    with pytest.raises(ValueError, match="the same sentences"):
        randomise(one, one[:, :3], seed=0)
    with pytest.raises(ValueError, match="0 resamples"):
        randomise(one, one, resamples=0, seed=0)
    with pytest.raises(ValueError, match="impossible"):
        randomise(one, table([(2, 1, 1)] * 4), seed=0)
    with pytest.raises(ValueError, match="level of 1"):
        randomise(one, one, seed=0).interval(1)
