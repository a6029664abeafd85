"""A loop's rounds as a table and a figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nerkd_local.report.rounds import RoundRow, rounds_figure, rounds_table

FIRST = RoundRow(
    round=0,
    asked=1000,
    changed=0,
    unanswered=3,
    original=250,
    distilled=997,
    f1_seeds=(0.5, 0.52),
    f1=(0.51, 0.48, 0.54),
    minutes=2.5,
    verdict="the beginning",
)
SECOND = replace(
    FIRST,
    round=1,
    asked=50,
    changed=12,
    unanswered=0,
    f1_seeds=(0.53, 0.55),
    f1=(0.54, 0.5, 0.57),
    gain=(0.03, -0.01, 0.06),
    minutes=2.0,
    verdict="go on | for now",
)
ROWS = [FIRST, SECOND]


def test_the_table_says_what_each_round_gave_and_took() -> None:
    header, _, first, second = rounds_table(ROWS, minutes="GPU").splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")][-3:] == ["GPU-minutes", "gain a minute", "verdict"]
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == ["0", "1,000", "0", "250", "997", "0.510", "0.480 to 0.540", "-", "2.5", "-", "the beginning"]
    assert "+0.030 (-0.010 to +0.060)" in second
    assert "+0.0150" in second
    assert r"go on \| for now" in second


def test_the_figure_is_the_same_for_the_same_rows(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in ("a", "b", "one")]
    for path, rows in zip(paths, (ROWS, ROWS, ROWS[:1]), strict=True):
        rounds_figure(rows, path, "a caption", minutes="GPU")
    one, two, three = (path.read_bytes() for path in paths)
    assert one == two != three
    assert one.startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no rounds"):
        rounds_figure([], tmp_path / "none.png", "", minutes="GPU")
