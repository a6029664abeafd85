"""Panels over the number of distilled sentences: one for each regimen, all with the same axes, and below the axis what
so many sentences cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from nerkd_local.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN = 3.1
"""The height of a panel."""
_COLUMNS = 3
_LEFT_IN, _RIGHT_IN, _TITLE_IN, _TICKS_IN = 0.75, 0.55, 0.3, 0.42
_SCALE_IN, _SCALE_NAME_IN = 0.19, 1.5
_GAP = 1.1  # what the place of no distilled sentences is left of the first amount, in doublings


class Placed(Protocol):
    """Something to be drawn: in which panel, beside how many human-labelled sentences (0: none), and over how many
    distilled ones."""

    @property
    def panel(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def amount(self) -> int: ...


P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, slots=True)
class CostScale:
    """A second scale of the axis of distilled sentences: its name, and what stands below each amount."""

    name: str
    texts: Mapping[int, str]


@dataclass(frozen=True)
class Panels(Generic[P]):
    """Where everything stands. `has_none`: whether no distilled sentences have a place on the axis."""

    points: tuple[P, ...]
    scales: Sequence[CostScale]
    has_none: bool

    @cached_property
    def names(self) -> list[str]:
        return list(dict.fromkeys(point.panel for point in self.points))

    @cached_property
    def amounts(self) -> list[int]:
        return sorted({point.amount for point in self.points})

    @cached_property
    def sizes(self) -> list[int]:
        return sorted({point.size for point in self.points})

    @property
    def none(self) -> float:
        """The place of no distilled sentences."""
        return log2(self.amounts[0]) - _GAP

    def look(self, size: int) -> tuple[str, str]:
        """Colour and shape; from the thirteenth size on they return."""
        return canvas.KINDS[self.sizes.index(size) % len(canvas.KINDS)]

    def line(self, panel: str, size: int) -> list[P]:
        """The points of a line, amounts ascending."""
        points = [point for point in self.points if (point.panel, point.size) == (panel, size)]
        return sorted(points, key=lambda point: point.amount)

    @property
    def key(self) -> list[canvas.Mark]:
        names = {size: f"beside {size:,} human-labelled" if size else "alone" for size in self.sizes}
        return [canvas.Mark(names[size], *self.look(size), "-") for size in self.sizes]


class Drawing(Protocol):
    """What fills the panels."""

    def draw(self, axes: Axes, name: str) -> None:
        """One panel."""
        ...

    def finish(self, axes: Axes) -> None:
        """What needs the final axes."""
        ...


def draw_panels(panels: Panels[P], drawing: Drawing, title: str, reading: str, path: Path, caption: str) -> None:
    """Write the figure, as PNG or SVG. Raises ValueError without points."""
    if not panels.points:
        raise ValueError("no results to draw")
    columns = min(_COLUMNS, len(panels.names))
    rows = -(-len(panels.names) // columns)
    lines = canvas.caption_lines(caption)
    heading = canvas.Heading(title, reading, panels.key, canvas.PAGE_IN - 2 * canvas.MARGIN_IN)
    left = _SCALE_NAME_IN if panels.scales else _LEFT_IN
    wide = (canvas.PAGE_IN - left - canvas.MARGIN_IN) / columns
    tall = _TITLE_IN + PANEL_IN + _TICKS_IN + 0.2 + _SCALE_IN * len(panels.scales)
    with canvas.page(
        path, canvas.PAGE_IN, heading.height + 0.1 + rows * tall + canvas.caption_height(lines) - 0.45
    ) as figure:
        heading.draw(figure, canvas.MARGIN_IN)
        drawn: list[Axes] = []
        for number, name in enumerate(panels.names):
            at, top = left + number % columns * wide, heading.height + 0.1 + number // columns * tall
            axes = canvas.add_axes(figure, at, top + _TITLE_IN, wide - _RIGHT_IN, PANEL_IN)
            drawn.append(axes)
            canvas.write_text(figure, canvas.shorten(name, 40), at, top + 0.18, size=9.5, color=canvas.TEXT, bold=True)
            drawing.draw(axes, name)
            _write_ticks(axes, panels)
            for place, scale in enumerate(panels.scales):
                below = _TICKS_IN + 0.16 + _SCALE_IN * place
                _write_scale(axes, panels, scale, below)
                if number % columns == 0:
                    name_at = top + _TITLE_IN + PANEL_IN + below
                    canvas.write_text(figure, canvas.shorten(scale.name, 24), canvas.MARGIN_IN, name_at, size=8)
        low = min(axes.get_ylim()[0] for axes in drawn)
        high = max(axes.get_ylim()[1] for axes in drawn)
        for number, axes in enumerate(drawn):
            axes.set_ylim(low, high)
            drawing.finish(axes)
            axes.tick_params(axis="y", labelleft=number % columns == 0)
        canvas.write_caption(figure, lines)


def _write_ticks(axes: Axes, panels: Panels[P]) -> None:
    ticks = {log2(amount): f"{amount:,}" for amount in panels.amounts}
    ticks |= {panels.none: "0"} if panels.has_none else {}
    axes.set_xlim(min(ticks) - 0.3, max(ticks) + 0.3)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlabel("distilled sentences", fontsize=9)


def _write_scale(axes: Axes, panels: Panels[P], scale: CostScale, below: float) -> None:
    """`below`: how far under the axis."""
    for amount in panels.amounts:
        axes.annotate(
            scale.texts.get(amount, ""),
            (log2(amount), 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -72 * below),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=canvas.QUIET,
        )
