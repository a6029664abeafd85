"""The figures of courses hold what the panels hold."""

from dataclasses import replace
from math import nan

import pytest

from nerkd_local.report.courses import Curve, Panel, losses_figure, schedules_figure, scores_figure

SHARES = Curve((0.0, 5.0), (1.0, 0.25), (1.0, 0.0), (1.0, 0.5), 10.0)
LOSSES = {
    "original": Curve((0.0, 5.0), (nan, 0.5), (nan, 0.4), (nan, 0.6), 10.0),
    "distilled": Curve((0.0, 5.0), (2.0, 0.0), (1.9, 0.0), (2.1, 0.0), 10.0),
}
SCORED = Curve((5.0, 10.0), (0.5, 0.6), (0.4, 0.6), (0.6, 0.7), 10.0)
PANELS = {
    schedules_figure: Panel("simple_mix", "W 0.500", {"distilled": SHARES}, (1.0, 1.0, 0.0, 0.0)),
    losses_figure: Panel("simple_mix", "2 students", LOSSES),
    scores_figure: Panel("simple_mix", "2 students", {"F1": SCORED}),
}
FIGURES = list(PANELS)


def draw(figure, panels, path, caption="A caption of $5."):
    figure(panels, path / "figure.svg", caption)
    return (path / "figure.svg").read_bytes()


@pytest.mark.parametrize("figure", FIGURES)
def test_everything_in_a_panel_shows(tmp_path, figure):
    panel = PANELS[figure]
    first = draw(figure, [panel], tmp_path)
    assert draw(figure, [panel], tmp_path) == first
    (source, curve), *_ = panel.curves.items()
    for changed in (
        replace(panel, name="reverse"),
        replace(panel, note="another"),
        replace(panel, curves={**panel.curves, source: replace(curve, mean=(*curve.mean[:-1], 0.55))}),
        replace(panel, curves={**panel.curves, source: replace(curve, low=(*curve.low[:-1], 0.1))}),
        replace(panel, curves={**panel.curves, source: replace(curve, end=20.0)}),
    ):
        assert draw(figure, [changed], tmp_path) != first
    assert draw(figure, [panel], tmp_path, "Another caption.") != first


def test_a_planned_share_shows_and_may_be_unknown(tmp_path):
    panel = PANELS[schedules_figure]
    drawn = {
        draw(schedules_figure, [replace(panel, planned=planned)], tmp_path) for planned in ((), (1.0, 0.0), (0.5,))
    }
    assert len(drawn) == 3


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("number", [4, 5, 24])
def test_any_number_of_panels_stands_in_rows_of_four(tmp_path, figure, number):
    panels = [replace(PANELS[figure], name=f"regimen {index} of a long name" * 2) for index in range(number)]
    svg = draw(figure, panels, tmp_path).decode()
    assert svg.count('id="axes_') == number
    assert svg.count(">step</text>") == 4
    assert "regimen 0 of…a long name<" in svg


@pytest.mark.parametrize("figure", FIGURES)
def test_no_panels_are_refused(tmp_path, figure):
    with pytest.raises(ValueError, match="no courses"):
        draw(figure, [], tmp_path)
    assert not (tmp_path / "figure.svg").exists()
