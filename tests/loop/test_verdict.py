"""When another round pays: by hand."""

from __future__ import annotations

import pytest

from nerkd_local.loop.verdict import judge
from nerkd_local.report.rounds import RoundRow, row_from_json, row_to_json


def row(number: int, gain: tuple[float, float, float] | None, minutes: float = 10.0) -> RoundRow:
    return RoundRow(
        round=number,
        asked=5,
        changed=2,
        unanswered=0,
        original=3,
        distilled=9,
        f1_seeds=(0.5,),
        f1=(0.5, 0.4, 0.6),
        gain=gain,
        minutes=minutes,
    )


@pytest.mark.parametrize(
    ("gains", "patience", "stop", "why"),
    [
        ([], 1, False, "the beginning"),
        ([(0.02, 0.005, 0.04)], 1, False, "go on"),
        # a thousandth a minute, ten minutes: a hundredth is needed
        ([(0.01, -0.01, 0.03)], 1, False, "go on"),
        ([(0.009, -0.01, 0.03)], 1, True, "stop: below the least gain, though its interval holds it"),
        ([(0.009, -0.01, 0.03)], 2, False, "go on: below the least gain 1 of 2 times in a row, not clearly"),
        ([(0.009, -0.01, 0.03), (0.002, -0.01, 0.02)], 2, True, "stop: below the least gain, though"),
        ([(0.009, -0.01, 0.03), (0.02, 0.0, 0.03), (0.002, -0.01, 0.02)], 2, False, "go on: below"),
        ([(0.001, -0.01, 0.0099)], 3, True, "stop: clearly below the least gain"),
        ([(-0.05, -0.08, -0.01)], 3, True, "stop: clearly below the least gain"),
        ([(0.1, 0.05, 0.2)] * 4, 1, True, "stop: the rounds are over"),
    ],
)
def test_a_round_is_judged_by_its_gain_a_minute_and_the_interval(
    gains: list[tuple[float, float, float]], patience: int, stop: bool, why: str
) -> None:
    rows = [row(0, None), *(row(number, gain) for number, gain in enumerate(gains, start=1))]
    verdict = judge(rows, least_gain=0.001, patience=patience, rounds=4)
    assert (verdict.stop, verdict.why[: len(why)]) == (stop, why)


def test_time_counts() -> None:
    gain = (0.01, 0.0, 0.02)
    assert not judge([row(0, None), row(1, gain, 9.0)], least_gain=0.001, patience=1, rounds=4).stop
    assert judge([row(0, None), row(1, gain, 11.0)], least_gain=0.001, patience=1, rounds=4).stop


def test_rows_are_read_as_they_were_written() -> None:
    for each in (row(0, None), row(1, (0.1, 0.0, 0.2))):
        assert row_from_json(row_to_json(each)) == each
    assert row_to_json(row(1, (0.1, 0.0, 0.2)))["gain_a_minute"] == pytest.approx(0.01)
    assert row(1, (0.1, 0.0, 0.2), 0.0).gain_a_minute is None
