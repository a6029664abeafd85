"""The figure of the mechanism holds what its panels hold."""

from dataclasses import replace

import pytest

from nerkd_local.report.mechanism import Point, RatePanel, mechanism_figure

LAST = [Point(1 / 3, 0.75, 0.72, 0.78), Point(2 / 3, 0.77, 0.74, 0.8)]
MIXED = [Point(1 / 3, 0.74, 0.71, 0.77), Point(0.89, 0.75, 0.72, 0.78, matched=False)]
PURE = {"original_only": Point(0.0, 0.73, 0.7, 0.76), "distilled_only": Point(1.0, 0.74, 0.7, 0.78)}
PANEL = RatePanel(
    "linear", {"last": LAST, "throughout": MIXED}, PURE, {"throughout": [Point(1 / 3, 0.01, -0.01, 0.03)]}
)


def draw(panels, path, caption="A caption.", **more):
    mechanism_figure(panels, path / "figure.svg", caption, **more)
    return (path / "figure.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changed",
    [
        replace(PANEL, rate="constant"),
        replace(PANEL, orders={"last": LAST}),
        replace(PANEL, orders={"first": LAST, "throughout": MIXED}),
        replace(PANEL, orders={"last": [replace(LAST[0], f1=0.76), LAST[1]], "throughout": MIXED}),
        replace(PANEL, orders={"last": [replace(LAST[0], low=0.71), LAST[1]], "throughout": MIXED}),
        replace(PANEL, orders={"last": LAST, "throughout": [MIXED[0], replace(MIXED[1], matched=True)]}),
        replace(PANEL, pure={"original_only": PURE["original_only"]}),
        replace(PANEL, pure={}),
        replace(PANEL, gains={}),
        replace(PANEL, gains={"throughout": [Point(1 / 3, 0.02, -0.01, 0.03)]}),
    ],
)
def test_everything_in_a_panel_shows(tmp_path, changed):
    first = draw([PANEL], tmp_path)
    assert draw([PANEL], tmp_path) == first
    assert draw([changed], tmp_path) != first


def test_a_panel_a_rate_side_by_side_and_gains_below(tmp_path):
    three = [replace(PANEL, rate=rate) for rate in ("linear", "constant", "rewarmed")]
    svg = draw(three, tmp_path)
    assert svg.count('id="axes_') == 6
    assert "learning rate: rewarmed" in svg
    assert draw([replace(panel, gains={}) for panel in three], tmp_path).count('id="axes_') == 3


def test_what_is_unmatched_is_said(tmp_path):
    assert "hollow" in draw([PANEL], tmp_path)
    assert "hollow" not in draw([replace(PANEL, orders={"last": LAST})], tmp_path)
    assert "90%" in draw([PANEL], tmp_path, level=0.9)


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no results"):
        draw([RatePanel("linear", {}, {})], tmp_path)
