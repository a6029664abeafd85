from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from nerkd_local.stats.bootstrap import Interval, f1_difference
from nerkd_local.stats.comparison import adjust, compare_systems
from nerkd_local.stats.holm import holm
from nerkd_local.stats.randomisation import randomise
from tests.stats.test_bootstrap import RIGHT, WRONG, some_tables, table

NOTHING_FOUND = (0, 0, 1)


def test_the_effect_in_entities_by_hand():
    """Of ten gold entities a finds 8 of 9 predicted exactly, b 6 of 9: 2 more found, and 1 wrong one against 3."""
    a = table([RIGHT] * 8 + [WRONG] + [NOTHING_FOUND])
    b = table([RIGHT] * 6 + [WRONG] * 3 + [NOTHING_FOUND])
    found = compare_systems(a, b, bootstraps=50, resamples=99, seed=0)
    assert (found.found.mean, found.spared.mean) == pytest.approx((200, 200))
    assert found.f1.mean == pytest.approx(16 / 19 - 12 / 19)
    assert (found.seeds, found.documents, found.gold) == (1, 10, 10)
    assert found.seeds_needed is None


def test_f1_moves_as_the_effects_say():
    """Both small: (found (2 - F1) + F1 spared) / 2000."""
    b = table([RIGHT] * 800 + [WRONG] * 200)
    a = table([RIGHT] * 806 + [WRONG] * 190 + [NOTHING_FOUND] * 4)
    found = compare_systems(a, b, bootstraps=5, resamples=9, seed=0)
    expected = (found.found.mean * (2 - 0.8) + 0.8 * found.spared.mean) / 2000
    assert (found.found.mean, found.spared.mean) == pytest.approx((6, 10))
    assert found.f1.mean == pytest.approx(expected, rel=0.02)


def test_it_is_the_interval_of_the_tables_and_the_p_of_the_test():
    a, b = table([RIGHT, WRONG, RIGHT] * 9, [RIGHT] * 27), table([RIGHT, WRONG, WRONG] * 9, [WRONG, RIGHT, RIGHT] * 9)
    groups = np.arange(27) // 3
    found = compare_systems(a, b, groups=groups, level=0.9, seed=7)
    test = randomise(a, b, groups=groups, seed=7)
    assert found.f1 == f1_difference(a, b, groups=groups, level=0.9, seed=7)
    assert (found.p, found.p_models, found.supported) == (test.p, test.p_models, test.interval(0.9))
    assert (found.seeds, found.documents, found.gold) == (2, 9, 27)
    assert found.largest == max(-found.supported.low, found.supported.high, -found.f1.low, found.f1.high)


@given(some_tables(), some_tables())
@settings(max_examples=40)
def test_the_largest_difference_denies_neither_interval(one, other):
    seeds, sentences = (min(one.shape[axis], other.shape[axis]) for axis in (0, 1))
    a, b = (counts[:seeds, :sentences] for counts in (one, other))
    found = compare_systems(a, b, bootstraps=30, resamples=60, level=0.8, seed=0)
    for interval in (found.f1, found.supported):
        assert -found.largest <= interval.low <= interval.high <= found.largest


@given(some_tables())
@settings(max_examples=25)
def test_equal_systems_differ_by_nothing(counts):
    found = compare_systems(counts, counts, bootstraps=20, resamples=40, seed=0)
    nothing = Interval(0.0, 0.0, 0.0)
    assert (found.f1, found.found, found.spared) == (nothing, nothing, nothing)
    assert (found.p, found.p_models, found.adjusted) == (1, 1, 1)


def test_a_family_is_adjusted_together_and_each_kind_of_p_by_itself():
    b = table([WRONG] * 12, [WRONG] * 12)
    family = [
        compare_systems(table([RIGHT] * n + [WRONG] * (12 - n)).repeat(2, axis=0), b, bootstraps=9, seed=0)
        for n in (2, 12, 5)
    ]
    adjusted = adjust(family)
    assert [each.adjusted for each in adjusted] == list(holm([each.p for each in family]))
    assert [each.adjusted_models for each in adjusted] == list(holm([each.p_models for each in family]))
    assert [each.f1 for each in adjusted] == [each.f1 for each in family]
    assert adjust(adjusted) == adjusted
    assert adjust([]) == ()


def test_standing_out_in_a_family_takes_more_seeds():
    generator = np.random.default_rng(2)
    a = np.stack([np.repeat([RIGHT, WRONG], [n, 200 - n], axis=0) for n in (150, 154, 158)])
    b = np.stack([np.repeat([RIGHT, WRONG], [n, 200 - n], axis=0) for n in (145, 148, 152)])
    order = generator.permutation(200)
    alone, among = (
        compare_systems(a[:, order], b[:, order], family=family, bootstraps=9, seed=0).seeds_needed
        for family in (1, 20)
    )
    assert alone is not None
    assert among is None or among > alone


def test_a_family_without_itself_is_refused():
    with pytest.raises(ValueError, match="this one is in it"):
        compare_systems(table([RIGHT]), table([RIGHT]), family=0, seed=0)
