from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nerkd_local.stats.detectable import MOST_SEEDS, seeds_to_find, smallest_found
from nerkd_local.stats.randomisation import Randomisation, randomise
from nerkd_local.stats.simulation import Population, draw_evaluation
from tests.stats.test_bootstrap import RIGHT, WRONG, table


@pytest.fixture(scope="module")
def of_three() -> Randomisation:
    generator = np.random.default_rng(4)
    return randomise(*draw_evaluation(Population(), documents=120, seeds=3, generator=generator), seed=0)


def normal_test(spread: float) -> Randomisation:
    """One seed, documents alone: luck is normal with that deviation, and swaps leave nothing of a difference."""
    draws = np.random.default_rng(0).normal(0, spread, 10_000)
    return Randomisation(0.0, 1, draws, np.zeros(10_000), 0.0, 0.0, 0.0, np.zeros(10_000))


def test_with_normal_luck_it_is_the_textbook_sum_of_two_quantiles():
    assert smallest_found(normal_test(0.01)) == pytest.approx((1.960 + 0.842) * 0.01, rel=0.04)
    assert smallest_found(normal_test(0.01), power=0.5) == pytest.approx(1.960 * 0.01, rel=0.04)


def test_a_difference_in_all_documents_makes_swaps_vary_more(of_three):
    flat = replace(of_three, balance=np.zeros_like(of_three.balance))
    assert smallest_found(of_three) > smallest_found(flat)


def test_more_power_and_a_stricter_level_take_larger_differences(of_three):
    plain = smallest_found(of_three)
    assert smallest_found(of_three, power=0.9) > plain
    assert smallest_found(of_three, level=0.99) > plain


def test_the_seeds_named_are_enough_and_fewer_are_not(of_three):
    with_three = smallest_found(of_three)
    needed = seeds_to_find(0.8 * with_three, of_three)
    assert needed is not None
    assert 3 < needed < MOST_SEEDS
    assert seeds_to_find(with_three, of_three) in (3, 4)
    more = seeds_to_find(0.7 * with_three, of_three)
    assert more is None or more > needed


def test_no_number_of_seeds_is_named_where_none_would_do_or_nothing_is_known(of_three):
    assert seeds_to_find(0.001, of_three) is None
    assert seeds_to_find(0.1, normal_test(0.01)) is None


def test_where_nothing_varies_everything_is_found():
    same = table([RIGHT] * 5)
    assert smallest_found(randomise(same, same, seed=0)) == 0
    few = randomise(same, table([RIGHT, RIGHT, RIGHT, WRONG, WRONG]), resamples=10, seed=0)
    assert smallest_found(few) == 1


@pytest.mark.parametrize(("level", "power"), [(0.95, 1.0), (0.95, 0.0), (1.0, 0.8)])
def test_a_level_or_power_that_is_none_is_refused(level, power, of_three):
    with pytest.raises(ValueError, match="between 0 and 1"):
        smallest_found(of_three, level=level, power=power)
