"""F1 over exposure, a line an order of the sources, a panel a learning-rate schedule: what order, exposure and learning
rate each have to do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT_IN, _GAP_IN, _TALL_IN = 0.85, 0.3, 3.3
_BETWEEN_IN, _LOWER_IN = 0.65, 1.7  # what stands between the two rows of panels, and the lower one's height
_APART = 0.026
"""Of the exposure axis, between the marks of two orders of the same exposure: their intervals would hide each other."""
_PURE = {"original_only": canvas.HUMAN, "distilled_only": canvas.LLM}


@dataclass(frozen=True, slots=True)
class Point:
    """One regimen's mean F1 with its interval. `exposure`: W, the share of distilled examples. `matched`: whether the
    other orders have a point of the same exposure."""

    exposure: float
    f1: float
    low: float
    high: float
    matched: bool = True


@dataclass(frozen=True, slots=True)
class RatePanel:
    """One learning-rate schedule: points by order of the sources, and `original_only` and `distilled_only` by name.

    `gains`: by order, F1 of the first order minus that one's at the same exposure, where there are both; `f1` of such a
    point is the difference, with the interval of the pairs.
    """

    rate: str
    orders: Mapping[str, Sequence[Point]]
    pure: Mapping[str, Point]
    gains: Mapping[str, Sequence[Point]] = field(default_factory=dict)


def mechanism_figure(panels: Sequence[RatePanel], path: Path, caption: str, *, level: float = 0.95) -> None:
    """Draw F1 over exposure as PNG or SVG. Points of an order are joined where they are matched; a point that is not is
    hollow. The pure regimens are marks at their ends of the axis, with a line across. Below, the gains.

    Orders have the same colour and shape in all panels, in the order in which they first occur. The same panels give
    the same bytes under one matplotlib version. Raises ValueError without points.
    """
    points = [point for panel in panels for each in (*panel.orders.values(), panel.pure.values()) for point in each]
    if not points:
        raise ValueError("no results to draw")
    named = dict.fromkeys(order for panel in panels for order in (*panel.orders, *panel.gains))
    looks = dict(zip(named, canvas.KINDS, strict=False))
    gains = [point for panel in panels for each in panel.gains.values() for point in each]
    key = [canvas.Mark(order, color, marker, "-") for order, (color, marker) in looks.items()]
    key += [canvas.Mark(name, color, "_", "--") for name, color in _PURE.items() if any(name in p.pure for p in panels)]
    unmatched = any(not point.matched for point in points)
    reading = f"mark: mean, line: {level:.0%} interval" + (
        "; hollow: no other order has this exposure" if unmatched else ""
    )
    heading = canvas.Heading(
        "Strict F1 by exposure, order and learning rate", reading, key, canvas.PAGE_IN - _LEFT_IN - canvas.MARGIN_IN
    )
    lines = canvas.caption_lines(caption)
    top = heading.height + 0.3
    lower = top + _TALL_IN + _BETWEEN_IN
    bottom = lower + _LOWER_IN if gains else top + _TALL_IN
    width = (canvas.PAGE_IN - _LEFT_IN - canvas.MARGIN_IN + _GAP_IN) / len(panels) - _GAP_IN
    with canvas.page(path, canvas.PAGE_IN, bottom + 0.25 + canvas.caption_height(lines)) as figure:
        heading.draw(figure, _LEFT_IN)
        if gains:
            title = f"{next(iter(looks))}: F1 minus that of the other orders at the same exposure, paired"
            canvas.write_text(figure, title, _LEFT_IN, lower - 0.12, size=9.5, color=canvas.TEXT, bold=True)
        for number, panel in enumerate(panels):
            left = _LEFT_IN + number * (width + _GAP_IN)
            canvas.write_text(
                figure, f"learning rate: {panel.rate}", left, top - 0.1, size=9.5, color=canvas.TEXT, bold=True
            )
            axes = canvas.add_axes(figure, left, top, width, _TALL_IN)
            _open(axes, points, named=number == 0, below=not gains)
            for name, point in panel.pure.items():
                axes.axhline(point.f1, color=_PURE[name], linewidth=1, linestyle="--", alpha=0.7, zorder=1)
                _draw_point(axes, point, point.exposure, _PURE[name], "o" if name == "original_only" else "s")
            _draw_series(axes, panel.orders, looks)
            if gains:
                axes = canvas.add_axes(figure, left, lower, width, _LOWER_IN)
                _open(axes, gains, named=number == 0, below=True)
                axes.axhline(0, color=canvas.QUIET, linewidth=1, zorder=1)
                _draw_series(axes, panel.gains, looks)
        canvas.write_caption(figure, lines)


def _open(axes: Axes, points: Sequence[Point], *, named: bool, below: bool) -> None:
    """The same axes for all panels of a row; `below`: whether it is the last row."""
    low, high = min(point.low for point in points), max(point.high for point in points)
    room = max(0.05 * (high - low), (canvas.NARROWEST - (high - low)) / 2)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(low - room, high + room)
    axes.set_xticks([0, 1 / 3, 0.5, 2 / 3, 1], ["0", "⅓", "½", "⅔", "1"])
    axes.locator_params(axis="y", nbins=8, steps=[1, 2, 5, 10])
    axes.tick_params(axis="y", labelcolor=canvas.QUIET, labelleft=named)
    axes.grid(axis="y")
    if below:
        axes.set_xlabel("W, share of distilled examples")


def _draw_series(axes: Axes, series: Mapping[str, Sequence[Point]], looks: Mapping[str, tuple[str, str]]) -> None:
    for place, (order, points) in enumerate(series.items()):
        color, marker = looks[order]
        shift = (place - (len(series) - 1) / 2) * _APART
        joined = sorted((point for point in points if point.matched), key=lambda point: point.exposure)
        axes.plot(
            [point.exposure + shift for point in joined],
            [point.f1 for point in joined],
            color=color,
            linewidth=1.3,
            alpha=0.8,
            zorder=2,
        )
        for point in points:
            _draw_point(axes, point, point.exposure + (shift if point.matched else 0), color, marker)


def _draw_point(axes: Axes, point: Point, at: float, color: str, marker: str) -> None:
    axes.plot([at, at], [point.low, point.high], color=color, linewidth=1.6, solid_capstyle="round", zorder=3)
    axes.plot(
        at,
        point.f1,
        marker,
        markersize=6.2 if marker in "os" else 5.6,
        markerfacecolor=color if point.matched else "white",
        markeredgecolor="white" if point.matched else color,
        markeredgewidth=0.8 if point.matched else 1.4,
        zorder=4,
    )
