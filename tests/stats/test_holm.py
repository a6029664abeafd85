from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.stats.holm import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ((), ()),
        ((0.03,), (0.03,)),
        # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, and the last may not fall below .06
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),
        ((0.5, 0.4), (0.8, 0.8)),
        ((0.6, 0.9, 0.7), (1.0, 1.0, 1.0)),
        ((0.02, 0.02), (0.04, 0.04)),
    ],
)
def test_values_by_hand(raw, adjusted):
    assert holm(raw) == pytest.approx(adjusted)


@given(P_VALUES)
def test_adjusted_values_keep_the_order_and_are_no_smaller(raw):
    adjusted = holm(raw)
    assert all(p <= a <= 1 for p, a in zip(raw, adjusted, strict=True))
    ranked = [a for _, a in sorted(zip(raw, adjusted, strict=True))]
    assert ranked == sorted(ranked)


@given(P_VALUES, st.floats(0, 1))
def test_another_comparison_in_the_family_makes_none_easier(raw, another):
    assert all(alone <= among for alone, among in zip(holm(raw), holm([*raw, another]), strict=False))


@given(P_VALUES.filter(bool))
def test_the_least_is_that_of_bonferroni_and_none_is_above_it(raw):
    adjusted = holm(raw)
    assert min(adjusted) == min(1.0, len(raw) * min(raw))
    assert all(a <= max(1.0, len(raw)) * max(raw) or a == 1 for a in adjusted)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, nan])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])
