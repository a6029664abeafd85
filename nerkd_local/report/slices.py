"""Two figures of where a difference is: slice by slice, and by what is wrong with a mention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_CHARACTER_IN, _NAME_CHARACTERS = 0.082, 30
_LEVEL_IN, _ROOM_IN, _GROUP_IN = 0.15, 0.14, 0.3
"""One line's mark below the other's, what is free around a slice, and the heading of a group of slices."""
_BAR_IN, _BETWEEN_IN = 0.34, 0.42
_USUAL_PANELS, _MORE_IN = 2, 2.6
_NARROWEST = 0.02
"""How much of a difference in F1 an axis shows at least, on either side of 0."""


@dataclass(frozen=True, slots=True)
class SliceMark:
    """One line's difference to the reference in one slice. `group`: what the slice is one of, such as `type`; `marked`:
    drawn filled, where others are hollow."""

    size: int
    group: str
    slice: str
    line: str
    mean: float
    low: float
    high: float
    marked: bool


@dataclass(frozen=True, slots=True)
class ErrorBar:
    """One line's errors by class, in the order in which they are stacked, per 1,000 human-labelled entities."""

    size: int
    line: str
    rates: Mapping[str, float]


def slices_figure(
    marks: Sequence[SliceMark], path: Path, caption: str, *, reference: str, reading: str, level: float = 0.95
) -> None:
    """Draw the differences as PNG or SVG: a panel a size, in it one row a slice, the lines of a slice below each other.

    Slices stand in the order in which they first come. All panels have the same axis. `reading` says what a filled mark
    is. The same arguments give the same bytes under one matplotlib version. Raises ValueError without marks.
    """
    if not marks:
        raise ValueError("no slices to draw")
    sizes = sorted({mark.size for mark in marks})
    rows = _Rows(marks)
    looks = _looks([mark.line for mark in marks])
    width = canvas.PAGE_IN + _MORE_IN * max(0, len(sizes) - _USUAL_PANELS)
    left = max(
        1.2,
        canvas.MARGIN_IN
        + 0.1
        + _NAME_CHARACTER_IN * max(len(canvas.shorten(n, _NAME_CHARACTERS)) for _, n in rows.names),
    )
    panel_in = (width - canvas.MARGIN_IN - left) / len(sizes)
    heading = canvas.Heading(
        f"Difference to {canvas.shorten(reference, 40)}, slice by slice",
        f"mark: mean difference in F1 (of confidence: in precision), line: {level:.0%} interval; {reading}",
        [canvas.Mark(canvas.shorten(line, 40), color, marker) for line, (color, marker) in looks.items()],
        width - left - canvas.MARGIN_IN,
    )
    top = heading.height + 0.3
    lines = canvas.caption_lines(caption, width)
    low = min(-_NARROWEST, *(mark.low for mark in marks))
    high = max(_NARROWEST, *(mark.high for mark in marks))
    with canvas.page(path, width, top + rows.height + canvas.caption_height(lines)) as figure:
        heading.draw(figure, left)
        for number, size in enumerate(sizes):
            axes = canvas.add_axes(figure, left + number * panel_in, top, panel_in - 0.25, rows.height)
            _draw_rows(axes, rows, named=number == 0)
            axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
            axes.locator_params(axis="x", nbins=7, steps=[1, 2, 5, 10])
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:+.2f}" if abs(x) > 1e-9 else "0")
            axes.grid(axis="x")
            axes.axvline(0, color=canvas.HUMAN, linewidth=1.4, zorder=1)
            shown = [mark for mark in marks if mark.size == size]
            for mark in shown:
                _draw_mark(axes, mark, rows.y(mark, [each.line for each in shown]), looks[mark.line])
            title = f"{size:,} original sentences"
            canvas.write_text(
                figure, title, left + number * panel_in, top - 0.1, size=9.5, color=canvas.TEXT, bold=True
            )
        canvas.write_caption(figure, lines)


def errors_figure(bars: Sequence[ErrorBar], path: Path, caption: str) -> None:
    """Draw the errors as PNG or SVG: a stacked bar a line, by size, with the numbers and their sum.

    Classes are stacked in the order of the first bar. The same arguments give the same bytes under one matplotlib
    version. Raises ValueError without bars.
    """
    if not bars:
        raise ValueError("no errors to draw")
    kinds = list(bars[0].rates)
    sizes = sorted({bar.size for bar in bars})
    names = [canvas.shorten(bar.line, _NAME_CHARACTERS) for bar in bars]
    left = max(1.2, canvas.MARGIN_IN + 0.1 + _NAME_CHARACTER_IN * max(map(len, names)))
    heading = canvas.Heading(
        "Errors per 1,000 human-labelled entities",
        "a pair of a human and a predicted mention counts once; on the right the sum",
        [canvas.Mark(kind, canvas.KINDS[number][0], "s") for number, kind in enumerate(kinds)],
        canvas.PAGE_IN - left - canvas.MARGIN_IN,
    )
    top = heading.height + 0.1
    height = _BETWEEN_IN * len(sizes) + _BAR_IN * len(bars)
    lines = canvas.caption_lines(caption)
    most = max(1.0, *(sum(bar.rates.values()) for bar in bars))
    with canvas.page(path, canvas.PAGE_IN, top + height + canvas.caption_height(lines)) as figure:
        heading.draw(figure, left)
        axes = canvas.add_axes(figure, left, top, canvas.PAGE_IN - left - canvas.MARGIN_IN - 0.5, height)
        axes.set_ylim(height, 0)
        axes.set_xlim(0, most * 1.01)
        axes.grid(axis="x")
        y, ticks = 0.0, []
        for size in sizes:
            y += _BETWEEN_IN
            canvas.write_text(
                figure, f"{size:,} original sentences", left, top + y - 0.12, size=9.5, color=canvas.TEXT, bold=True
            )
            for bar in (bar for bar in bars if bar.size == size):
                _draw_bar(axes, bar, kinds, y + _BAR_IN / 2, most)
                ticks.append((y + _BAR_IN / 2, canvas.shorten(bar.line, _NAME_CHARACTERS)))
                y += _BAR_IN
        axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks], fontsize=10)
        canvas.write_caption(figure, lines)


class _Rows:
    """Where each slice stands: the groups below each other, each under its name."""

    def __init__(self, marks: Sequence[SliceMark]) -> None:
        self.names = list(dict.fromkeys((mark.group, mark.slice) for mark in marks))
        most = max(
            len({mark.line for mark in marks if (mark.size, mark.group, mark.slice) == place})
            for place in {(mark.size, mark.group, mark.slice) for mark in marks}
        )
        self.row_in = _ROOM_IN + _LEVEL_IN * most
        self.middles: dict[tuple[str, str], float] = {}
        self.groups: dict[str, float] = {}
        y = 0.0
        for group, name in self.names:
            if group not in self.groups:
                y += _GROUP_IN
                self.groups[group] = y
            self.middles[group, name] = y + self.row_in / 2
            y += self.row_in
        self.height = y

    def y(self, mark: SliceMark, lines: Sequence[str]) -> float:
        order = list(dict.fromkeys(lines))
        offset = order.index(mark.line) - (len(order) - 1) / 2
        return self.middles[mark.group, mark.slice] + offset * _LEVEL_IN


def _looks(lines: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and shape by line; from the thirteenth on they return."""
    return {line: canvas.KINDS[number % len(canvas.KINDS)] for number, line in enumerate(sorted(set(lines)))}


def _draw_rows(axes: Axes, rows: _Rows, *, named: bool) -> None:
    axes.set_ylim(rows.height, 0)
    names = [canvas.shorten(name, _NAME_CHARACTERS) for _, name in rows.names] if named else [""] * len(rows.names)
    axes.set_yticks([rows.middles[place] for place in rows.names], names, fontsize=9.5)
    for group, y in rows.groups.items():
        axes.axhline(y, color=canvas.FAINT, linewidth=1, zorder=0, clip_on=False)
        if named:
            axes.annotate(
                group,
                (0, y),
                (-5, 3),
                ("axes fraction", "data"),
                "offset points",
                color=canvas.QUIET,
                ha="right",
                fontsize=8.5,
            )


def _draw_mark(axes: Axes, mark: SliceMark, y: float, look: tuple[str, str]) -> None:
    color, marker = look
    axes.plot([mark.low, mark.high], [y, y], color=color, linewidth=1.8, solid_capstyle="round", zorder=2)
    filling = color if mark.marked else "white"
    axes.plot(mark.mean, y, marker, color=color, markersize=5.5, markerfacecolor=filling, markeredgewidth=1.4, zorder=3)


def _draw_bar(axes: Axes, bar: ErrorBar, kinds: Sequence[str], y: float, most: float) -> None:
    start = 0.0
    for number, kind in enumerate(kinds):
        rate = bar.rates.get(kind, 0.0)
        axes.barh(
            y, rate, _BAR_IN * 0.72, start, color=canvas.KINDS[number][0], edgecolor="white", linewidth=1.0, zorder=2
        )
        if rate > most * 0.045:
            axes.annotate(
                f"{rate:.0f}",
                (start + rate / 2, y),
                color="white",
                ha="center",
                va="center_baseline",
                fontsize=8.5,
                zorder=3,
            )
        start += rate
    axes.annotate(f"{start:.0f}", (start, y), (6, 0), "data", "offset points", va="center_baseline", color=canvas.TEXT)
