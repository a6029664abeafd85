"""The figure of a cost curve: F1 over the number of distilled sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log2
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report.amount_panels import PANEL_IN, CostScale, Panels, draw_panels
from nerkd_local.report.canvas import HUMAN, open_f1_axis, write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEVEL_NAME_IN = 0.13


@dataclass(frozen=True, slots=True)
class AmountPoint:
    """A mean with its interval. `panel`: the regimen, with its mix where there are several; `size` human-labelled
    sentences (0: none) beside `amount` distilled ones."""

    panel: str
    size: int
    amount: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LevelPoint:
    """What human labels alone reach with so many sentences."""

    size: int
    mean: float
    low: float
    high: float


def amounts_figure(
    points: Sequence[AmountPoint],
    levels: Sequence[LevelPoint],
    path: Path,
    caption: str,
    *,
    scales: Sequence[CostScale] = (),
    level: float = 0.95,
) -> None:
    """Draw F1 over the number of distilled sentences, as PNG or SVG: a panel for each regimen, all with the same axes.

    One line for each number of human-labelled sentences with its interval as a band; it begins, hollow and on the left,
    at what those reach alone. Levels of human labels alone run through every panel, with their sizes on the right. The
    axis of amounts is logarithmic, its ticks are the amounts of the points; below them the scales. The same arguments
    give the same bytes under one matplotlib version. Raises ValueError without points.
    """
    reading = f"mark: mean, band: {level:.0%} interval"
    if levels:
        reading += ", hollow mark: without distilled sentences, blue lines: human labels alone, by their number"
    panels = Panels(tuple(points), scales, has_none=bool(levels))
    draw_panels(panels, _Amounts(panels, levels), "Strict F1", reading, path, caption)


@dataclass(frozen=True)
class _Amounts:
    """Draws one panel of F1."""

    panels: Panels[AmountPoint]
    levels: Sequence[LevelPoint]

    def draw(self, axes: Axes, name: str) -> None:
        for level in self.levels:
            axes.axhline(level.mean, color=HUMAN, linewidth=0.9, alpha=0.45, zorder=1)
        for size in self.panels.sizes:
            points = self.panels.line(name, size)
            if points:
                self._draw_line(axes, points, *self.panels.look(size))

    def finish(self, axes: Axes) -> None:
        """The levels' names on the right, apart where the levels are too near."""
        open_f1_axis(axes)
        low, high = axes.get_ylim()
        apart = _LEVEL_NAME_IN / PANEL_IN * (high - low)
        place = -inf
        for level in sorted(self.levels, key=lambda level: level.mean):
            place = max(level.mean, place + apart)
            write_beside(axes, f"{level.size:,}", place, away=4, size=8, color=HUMAN)

    def _draw_line(self, axes: Axes, points: Sequence[AmountPoint], color: str, marker: str) -> None:
        at = [log2(point.amount) for point in points]
        means, lows, highs = ([getattr(point, end) for point in points] for end in ("mean", "low", "high"))
        axes.fill_between(at, lows, highs, color=color, alpha=0.1, linewidth=0, zorder=2)
        axes.plot(at, means, marker, color=color, linestyle="-", linewidth=1.8, markersize=6, zorder=4)
        if len(points) == 1:
            axes.plot(at * 2, [lows[0], highs[0]], color=color, linewidth=1.5, zorder=3)
        alone = next((level for level in self.levels if level.size == points[0].size), None)
        if alone is not None:
            none = self.panels.none
            axes.plot([none, at[0]], [alone.mean, means[0]], color=color, linewidth=1.2, dashes=(2, 2), zorder=3)
            axes.plot([none] * 2, [alone.low, alone.high], color=color, linewidth=1.2, alpha=0.5, zorder=3)
            axes.plot(none, alone.mean, marker, markersize=6, markerfacecolor="white", color=color, zorder=4)
