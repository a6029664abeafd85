"""The figure of what distilled sentences are worth."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from nerkd_local.report.amount_panels import CostScale
from nerkd_local.report.worth import WorthPoint, worth_figure

WORTHS = [
    WorthPoint("linear", 100, 250, 104.5, 81.0, 131.0, -50, 400),
    WorthPoint("linear", 100, 1000, inf, 150.0, inf, -50, 400),
    WorthPoint("linear", 250, 250, -160.0, -inf, -20.0, -200, 250),
    WorthPoint("linear", 250, 1000, -inf, -inf, -inf, -200, 250),
    WorthPoint("linear", 500, 250, 10.0, -inf, inf, -450, 0),
    WorthPoint("linear", 500, 1000, inf, inf, inf, -450, 0),
]
SCALES = [CostScale("annotator's time", {250: "5 s", 1000: "20 s"})]


def test_what_is_only_known_to_be_more_or_fewer_can_be_drawn(tmp_path: Path) -> None:
    worth_figure(WORTHS, tmp_path / "w.svg", "a caption", scales=SCALES)
    text = (tmp_path / "w.svg").read_text(encoding="utf-8")
    for shown in (">0<", ">100<", ">-100<", ">beside 500 human-labelled<", ">20 s<"):
        assert shown in text
    assert "inf" not in text.replace("information", "")
    worth_figure(WORTHS[-1:], tmp_path / "arrow.png", "nothing but an arrow")
    assert (tmp_path / "arrow.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results to draw"):
        worth_figure([], tmp_path / "none.png", "")
    assert not list(tmp_path.iterdir())
