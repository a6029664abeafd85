from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.train.rate import rate_share


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # 2 of 6 steps climb: 1/3, 2/3; then 4 steps from 1 towards 0 (which step 6 would have)
        ("linear", [1 / 3, 2 / 3, 1, 3 / 4, 1 / 2, 1 / 4]),
        ("constant", [1 / 3, 2 / 3, 1, 1, 1, 1]),
        # 1 of 3 steps climbs: 1/2; then from 1 towards 0; and the same again
        ("rewarmed", [1 / 2, 1, 1 / 2, 1 / 2, 1, 1 / 2]),
    ],
)
def test_the_rate_climbs_and_then_falls_or_stays(schedule: str, expected: list[float]) -> None:
    rates = [rate_share(step, 6, warmup_share=1 / 3, schedule=schedule) for step in range(6)]  # type: ignore[arg-type]
    assert rates == pytest.approx(expected)


def test_the_second_half_of_an_odd_number_of_steps_is_the_longer_one() -> None:
    assert [rate_share(step, 5, warmup_share=0, schedule="rewarmed") for step in range(5)] == [1, 0.5, 1, 2 / 3, 1 / 3]
    assert rate_share(0, 1, warmup_share=0, schedule="rewarmed") == 1


@given(st.integers(1, 150), st.floats(0, 1))
def test_a_rewarmed_rate_is_a_linear_one_over_each_half(half: int, warmup_share: float) -> None:
    twice = [rate_share(step, 2 * half, warmup_share=warmup_share, schedule="rewarmed") for step in range(2 * half)]
    once = [rate_share(step, half, warmup_share=warmup_share, schedule="linear") for step in range(half)]
    assert twice == once + once


@given(st.integers(1, 300), st.floats(0, 1), st.sampled_from(["linear", "constant", "rewarmed"]))
def test_no_step_has_rate_zero_or_more_than_all(steps: int, warmup_share: float, schedule: str) -> None:
    for step in range(steps):
        assert 0 < rate_share(step, steps, warmup_share=warmup_share, schedule=schedule) <= 1  # type: ignore[arg-type]
