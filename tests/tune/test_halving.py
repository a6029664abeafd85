"""How many sentences a rung has, and who climbs on."""

from __future__ import annotations

import pytest

from nerkd_local.tune.halving import keep_best, rungs
from nerkd_local.tune.settings import HalvingSettings


@pytest.mark.parametrize(
    ("total", "halving", "expected"),
    [
        (300, HalvingSettings(first=25, factor=2), [25, 50, 100, 200, 300]),
        (200, HalvingSettings(first=25, factor=2), [25, 50, 100, 200]),
        (100, HalvingSettings(first=10, factor=3), [10, 30, 90, 100]),
        (40, HalvingSettings(first=10, factor=1.5), [10, 15, 23, 34, 40]),  # 22.5 and 33.75, rounded up
        (20, HalvingSettings(first=25), [20]),
        (20, None, [20]),
    ],
)
def test_the_rungs(total: int, halving: HalvingSettings | None, expected: list[int]) -> None:
    assert rungs(total, halving) == expected


def test_rungs_move_to_where_documents_end() -> None:
    assert rungs(30, HalvingSettings(first=4, factor=2), lambda size: -(-size // 10) * 10) == [10, 20, 30]


@pytest.mark.parametrize(
    ("candidates", "keep", "expected"),
    [(32, 0.5, 16), (5, 0.5, 3), (10, 0.3, 3), (3, 0.5, 2), (2, 0.5, 2), (1, 0.5, 1)],
)
def test_the_better_part_climbs_on_and_never_one_alone(candidates: int, keep: float, expected: int) -> None:
    assert keep_best(list(range(candidates)), HalvingSettings(keep=keep)) == list(range(expected))
