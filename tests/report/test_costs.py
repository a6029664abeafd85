"""The figure of a cost curve."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.report.amount_panels import CostScale
from nerkd_local.report.costs import AmountPoint, LevelPoint, amounts_figure

LEVELS = [LevelPoint(size, 0.6 + size / 4000, 0.58, 0.85) for size in (50, 100, 250, 500)]
POINTS = [
    AmountPoint(regimen, size, amount, 0.7 + amount / 20000, 0.66, 0.84)
    for regimen in ("linear", "a $regimen$ <b>")
    for size in (0, 100)
    for amount in (250, 1000)
]
SCALES = [CostScale("annotator's time", {250: "5 s", 1000: "20 s"}), CostScale("energy", {1000: "3 Wh"})]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_same_points_give_the_same_picture_in_any_number_of_panels(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        amounts_figure(POINTS, LEVELS, tmp_path / name, "a caption", scales=SCALES)
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "b.png").read_bytes()
    many = [AmountPoint(f"regimen {n}", 100, 250, 0.7, 0.6, 0.8) for n in range(5)]
    amounts_figure(many, [], tmp_path / "many.png", "a caption")
    assert (tmp_path / "many.png").read_bytes() != first


def test_the_axis_has_its_amounts_and_what_they_cost_below(tmp_path: Path) -> None:
    amounts_figure(POINTS, LEVELS, tmp_path / "f.svg", "whose costs", scales=SCALES)
    text = text_of(tmp_path / "f.svg")
    # a place for none, as the levels have one; a name that looks like markup or a formula is text
    for shown in (">0<", ">250<", ">1,000<", ">5 s<", ">20 s<", ">3 Wh<", "annotator's time", "whose costs"):
        assert shown in text
    assert "a $regimen$ &lt;b&gt;" in text
    assert ">alone<" in text
    assert ">beside 100 human-labelled<" in text
    assert ">500<" in text  # a level's name
    amounts_figure(POINTS, [], tmp_path / "without.svg", "")
    assert ">0<" not in text_of(tmp_path / "without.svg")


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results to draw"):
        amounts_figure([], LEVELS, tmp_path / "none.png", "")
    assert not list(tmp_path.iterdir())
