"""The figure of what distilled sentences are worth in human-labelled ones, over their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import asinh, isfinite, log2, nan, sinh
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report.amount_panels import CostScale, Panels, draw_panels
from nerkd_local.report.canvas import QUIET, TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ASIDE = 0.07  # what keeps the marks of two sizes apart, in doublings
_ARROW_PT = 15
_LINEAR = 0.05  # up to that share of the largest worth the axis is about linear: most are near 0, and some far off
_STEPS = tuple(step * 10**power for power in range(7) for step in (1, 2, 5))


@dataclass(frozen=True, slots=True)
class WorthPoint:
    """What an amount is worth, in human-labelled sentences; infinite beyond what is known, which is from `least` to
    `most`. `panel`, `size` and `amount` as in `costs.AmountPoint`."""

    panel: str
    size: int
    amount: int
    estimate: float
    low: float
    high: float
    least: int
    most: int


def worth_figure(
    points: Sequence[WorthPoint],
    path: Path,
    caption: str,
    *,
    scales: Sequence[CostScale] = (),
    level: float = 0.95,
) -> None:
    """Draw what distilled sentences are worth over their number, as PNG or SVG: panels, sizes and axes as in
    `costs.amounts_figure`.

    A mark for the estimate with its interval. What is only known to be more, or fewer, than something ends in an arrow
    there, and an estimate of which no more is known is an arrow alone. Raises ValueError without points.
    """
    reading = (
        f"mark: estimate, line: {level:.0%} interval, arrow: more, or fewer, than the sizes can show; far from 0 the "
        "scale is logarithmic"
    )
    panels = Panels(tuple(points), scales, has_none=False)
    draw_panels(panels, _Worths(panels), "Worth in human-labelled sentences", reading, path, caption)


@dataclass(frozen=True)
class _Worths:
    """Draws one panel of worths."""

    panels: Panels[WorthPoint]

    @cached_property
    def ends(self) -> list[float]:
        """Of everything drawn."""
        return [end for point in self.panels.points for end in _ends(point)]

    def draw(self, axes: Axes, name: str) -> None:
        axes.axhline(0, color=TEXT, linewidth=0.9, zorder=1)
        width = max(1.0, _LINEAR * max(map(abs, self.ends)))
        axes.set_yscale("asinh", linear_width=width)
        low, high = (asinh(end / width) for end in (min(0.0, *self.ends), max(0.0, *self.ends)))
        room = max(0.12 * (high - low), 0.5)
        axes.set_ylim(width * sinh(low - room), width * sinh(high + room))
        middle = (len(self.panels.sizes) - 1) / 2
        for number, size in enumerate(self.panels.sizes):
            color, marker = self.panels.look(size)
            aside = (number - middle) * 2 * _ASIDE
            points = self.panels.line(name, size)
            places = [log2(point.amount) + aside for point in points]
            # a number that is not known parts the line
            estimates = [point.estimate if isfinite(point.estimate) else nan for point in points]
            axes.plot(places, estimates, color=color, linewidth=0.8, alpha=0.5, zorder=2)
            for point, place in zip(points, places, strict=True):
                _draw_worth(axes, point, place, color, marker)

    def finish(self, axes: Axes) -> None:
        low, high = axes.get_ylim()
        far = max(abs(low), abs(high))
        steps = [step for step in _STEPS if far / 40 <= step <= far]
        ticks = [sign * step for step in steps for sign in (-1, 1) if low <= sign * step <= high]
        axes.set_yticks([0, *ticks], ["0", *(f"{tick:,}" for tick in ticks)])
        axes.minorticks_off()
        axes.tick_params(axis="y", labelcolor=QUIET)
        axes.grid(axis="y")


def _ends(point: WorthPoint) -> list[float]:
    """What is drawn of an interval: its ends, or where no more is known."""
    return [min(max(value, point.least), point.most) for value in (point.low, point.estimate, point.high)]


def _draw_worth(axes: Axes, point: WorthPoint, at: float, color: str, marker: str) -> None:
    low, middle, high = _ends(point)
    axes.plot([at] * 2, [low, high], color=color, linewidth=1.6, solid_capstyle="round", zorder=3)
    for value in (value for value in (point.low, point.high) if not isfinite(value)):
        end, way = (point.most, _ARROW_PT) if value > 0 else (point.least, -_ARROW_PT)
        arrow = {"arrowstyle": "<-", "color": color, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (at, end), xytext=(0, way), textcoords="offset points", arrowprops=arrow)
    if isfinite(point.estimate):
        axes.plot(at, middle, marker, color=color, markersize=6, markeredgecolor="white", zorder=4)
