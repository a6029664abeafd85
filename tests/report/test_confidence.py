"""The figures of confidences are PNGs that depend on their arguments only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.report.confidence import reliability_figure, risk_coverage_figure

pytest.importorskip("matplotlib")

Draw = Callable[..., None]
SERIES = {"confidence": [(0.5, 0.3), (0.9, 0.7)], "calibrated": [(0.3, 0.3), (0.7, 0.7)]}


def drawn(draw: Draw, path: Path, series: Mapping[str, Sequence[tuple[float, float]]] = SERIES, **more: Any) -> bytes:
    draw(series, path / "new" / "figure.png", more.pop("caption", "Two."), **more)
    return (path / "new" / "figure.png").read_bytes()


@pytest.mark.parametrize("draw", [reliability_figure, risk_coverage_figure])
def test_a_figure_is_a_png_of_its_arguments(draw: Draw, tmp_path: Path) -> None:
    first = drawn(draw, tmp_path)
    assert first.startswith(b"\x89PNG")
    assert drawn(draw, tmp_path) == first
    changed = [
        drawn(draw, tmp_path, caption="Another."),
        drawn(draw, tmp_path, {"other": SERIES["confidence"], "calibrated": SERIES["calibrated"]}),
        drawn(draw, tmp_path, {**SERIES, "confidence": [(0.5, 0.31), (0.9, 0.7)]}),
    ]
    assert len({first, *changed}) == 4


def test_chance_is_a_line(tmp_path: Path) -> None:
    assert drawn(risk_coverage_figure, tmp_path, chance=0.4) != drawn(risk_coverage_figure, tmp_path)


@pytest.mark.parametrize("draw", [reliability_figure, risk_coverage_figure])
@pytest.mark.parametrize("series", [{}, {"confidence": []}])
def test_nothing_to_draw_is_an_error(draw: Draw, series: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no confidences"):
        drawn(draw, tmp_path, series)
