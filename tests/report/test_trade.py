"""The figure of a search."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.report.trade import TradePoint, trade_figure

POINTS = [
    TradePoint("lines, format", 11.0, 0.77, 0.65, 0.85, 500),
    TradePoint("lines, none", 11.1, 0.771, 0.66, 0.85, 500),
    TradePoint("json", 28.0, 0.75, 0.63, 0.84, 100),
]


def test_the_same_points_give_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        trade_figure(POINTS, tmp_path / name, "a caption")
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "b.png").read_bytes()
    trade_figure(POINTS[:2], tmp_path / "c.png", "a caption")
    assert (tmp_path / "c.png").read_bytes() != first


def test_many_and_single_candidates_can_be_drawn(tmp_path: Path) -> None:
    many = [TradePoint(f"candidate {n} of a search with a long name", n, n / 100, 0, 1, 50) for n in range(1, 60)]
    trade_figure(many, tmp_path / "many.png", "a caption")
    trade_figure(POINTS[:1], tmp_path / "one.png", "a caption")
    with pytest.raises(ValueError, match="no candidates"):
        trade_figure([], tmp_path / "none.png", "")
