"""The figure of an experiment: every regimen's F1 beside the schedule that made it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nerkd_local.report import canvas
from nerkd_local.report.rows import ResultRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASELINE = "original_only"
"""The regimen that differences are taken to; its mean is a line through each panel."""

_NUMBER_IN = 0.55  # right of a panel: the means in numbers
_LEVEL_IN, _SEEDS_IN = 0.19, 0.075  # one mix below the other; the single seeds below their mean
_STRIP_IN = 0.29  # height of a schedule's strip
_NAME_CHARACTERS, _NAME_CHARACTER_IN = 30, 0.086
_USUAL_PANELS, _MORE_IN = 2, 1.2  # what each panel more adds to the page's width
_FAR = 3.0  # quartile ranges below the lower quartile of all means: beyond, a row is an arrow at the edge


def regimen_figure(
    rows: Sequence[ResultRow],
    schedules: Mapping[str, Sequence[float]],
    path: Path,
    caption: str,
    *,
    annotator_f1: float | None = None,
    level: float = 0.95,
) -> None:
    """Draw the results as one PNG or SVG: a panel a size of the human-labelled set, in it one line a regimen and mix.

    Regimens have the same place in all panels, the best on top (by F1 with its best mix, on average over the sizes),
    and panels the same F1 axis. A mark for the mean F1 with its interval and number, by colour and shape for each
    mix of distilled sources, hollow where the interval of the difference to original_only holds 0; small points for
    the single seeds. original_only's mean and `annotator_f1` are vertical lines. Rows far below the others are an
    arrow at the edge with their number: they would press the others together. A row without a size stands in every
    panel. On the right, what training sees from start to end: `schedules` holds a regimen's distilled shares at
    evenly spaced moments (`Regimen.share` of `progress`); a regimen without one gets no strip.

    The same arguments give the same bytes under one matplotlib version, in whatever order the rows come. The page
    is 10 inches wide for one or two sizes. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no results to draw")
    grid = _Grid(tuple(rows))
    panels = len(grid.sizes)
    width = canvas.PAGE_IN + _MORE_IN * max(0, panels - _USUAL_PANELS)
    names = [canvas.shorten(name, _NAME_CHARACTERS) for name in grid.regimens]
    left = max(1.1, canvas.MARGIN_IN + 0.1 + _NAME_CHARACTER_IN * max(map(len, names)))
    strips_in = 2.3 if panels == 1 else 1.75
    strips_left = width - canvas.MARGIN_IN + 0.1 - strips_in
    panel_in = (strips_left - 0.15 - left) / panels
    low, high = _range(grid, annotator_f1)
    scores = canvas.Heading("Strict F1", _reading(grid, level, low), _key(grid), strips_left - 0.3 - left)
    shares = canvas.Heading(
        "What training sees",
        "share of each source",
        [canvas.Mark("distilled", canvas.LLM, "s"), canvas.Mark("original", canvas.HUMAN, "s")],
        strips_in,
    )
    headings_in = max(scores.height, shares.height)
    top = headings_in + 0.3 + (0.0 if annotator_f1 is None else 0.17)
    tall = sum(grid.heights)
    lines = canvas.caption_lines(caption, width)
    with canvas.page(path, width, top + tall + canvas.caption_height(lines)) as figure:
        scores.draw(figure, left)
        shares.draw(figure, strips_left)
        for number, size in enumerate(grid.sizes):
            at = left + number * panel_in
            axes = canvas.add_axes(figure, at, top, panel_in - _NUMBER_IN, tall)
            _draw_grid(axes, grid)
            axes.set_xlim(low, high)
            ticks = int((panel_in - _NUMBER_IN) / 0.45)
            axes.locator_params(axis="x", nbins=max(2, min(9, ticks)), steps=[1, 2, 5, 10])
            axes.grid(axis="x")
            if number == 0:
                axes.set_yticks(grid.middles, names, fontsize=10)
            if annotator_f1 is not None:
                _draw_annotator(axes, annotator_f1)
            _draw_scores(axes, grid, size)
            canvas.write_text(
                figure, _panel_title(size, panels), at, headings_in + 0.2, size=9.5, color=canvas.TEXT, bold=True
            )
        _draw_strips(canvas.add_axes(figure, strips_left, top, strips_in, tall), schedules, grid)
        canvas.write_caption(figure, lines)


@dataclass(frozen=True)
class _Grid:
    """Where everything stands: regimens from the top down, one level below the other for the mixes each has."""

    rows: tuple[ResultRow, ...]

    @cached_property
    def sizes(self) -> list[int | None]:
        sizes = {row.original_size for row in self.rows if row.original_size is not None}
        return [*sorted(sizes)] or [None]

    @cached_property
    def regimens(self) -> list[str]:
        best: dict[str, dict[int | None, float]] = {}
        for row in self.rows:
            sizes = best.setdefault(row.regimen, {})
            sizes[row.original_size] = max(row.f1_mean, sizes.get(row.original_size, 0.0))
        return sorted(best, key=lambda name: (-sum(sorted(best[name].values())) / len(best[name]), name))

    @cached_property
    def mixes(self) -> list[str]:
        return sorted({row.mix for row in self.rows if row.mix is not None}, key=_by_number)

    @cached_property
    def levels(self) -> dict[str, list[str | None]]:
        """By regimen, the mixes it has, first none at all."""
        return {
            name: sorted({row.mix for row in self.rows if row.regimen == name}, key=lambda mix: _by_number(mix or ""))
            for name in self.regimens
        }

    @cached_property
    def heights(self) -> list[float]:
        return [(0.26 if len(self.mixes) < 2 else 0.17) + _LEVEL_IN * len(self.levels[name]) for name in self.regimens]

    @cached_property
    def borders(self) -> list[float]:
        return [0.0, *(float(border) for border in np.cumsum(self.heights))]

    @cached_property
    def middles(self) -> list[float]:
        return [(above + below) / 2 for above, below in zip(self.borders, self.borders[1:], strict=False)]

    def y(self, row: ResultRow) -> float:
        levels = self.levels[row.regimen]
        offset = levels.index(row.mix) - (len(levels) - 1) / 2
        return self.middles[self.regimens.index(row.regimen)] + offset * _LEVEL_IN

    def look(self, mix: str | None) -> tuple[str, str]:
        """Colour and shape; from the thirteenth mix on they return."""
        return (canvas.HUMAN, "o") if mix is None else canvas.KINDS[self.mixes.index(mix) % len(canvas.KINDS)]


def _reading(grid: _Grid, level: float, low: float) -> str:
    hollow = f" (hollow: not told apart from {BASELINE})" if any(row.differs is False for row in grid.rows) else ""
    parts = [f"mark: mean{hollow}", f"line: {level:.0%} interval"]
    if any(row.seeds > 1 for row in grid.rows):
        parts.append("points: single seeds")
    if any(row.f1_mean < low for row in grid.rows):
        parts.append("arrow: far below")
    # textwrap breaks lines at plain spaces only: each part stays on one line
    return ", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)


def _key(grid: _Grid) -> list[canvas.Mark]:
    marks = []
    without = {row.regimen for row in grid.rows if row.mix is None}
    if without:
        label = BASELINE if without == {BASELINE} else "no distilled labels"
        marks.append(canvas.Mark(label, canvas.HUMAN, "o", "-" if BASELINE in without else ""))
    marks += [canvas.Mark(f"distilled: {canvas.shorten(mix, 40)}", *grid.look(mix)) for mix in grid.mixes]
    return marks


def _panel_title(size: int | None, panels: int) -> str:
    return f"{'no' if size is None else f'{size:,}'} original{' sentences' if panels <= _USUAL_PANELS else ''}"


def _range(grid: _Grid, annotator_f1: float | None) -> tuple[float, float]:
    lower, upper = np.quantile([row.f1_mean for row in grid.rows], [0.25, 0.75])
    fence = lower - _FAR * max(upper - lower, 0.01)
    rows = [row for row in grid.rows if row.f1_mean >= fence or row.regimen == BASELINE]
    shown = [value for row in rows for value in (row.f1_low, row.f1_mean, row.f1_high, *row.f1_seeds)]
    if annotator_f1 is not None:
        shown.append(annotator_f1)
    low, high = min(shown), max(shown)
    room = max(0.05 * (high - low), (canvas.NARROWEST - (high - low)) / 2)
    return low - room, high + room


def _draw_grid(axes: Axes, grid: _Grid) -> None:
    """Faint lines between the regimens and nothing else."""
    axes.set_ylim(grid.borders[-1], 0)
    axes.set_yticks([])
    for border in grid.borders:
        axes.axhline(border, color=canvas.FAINT, linewidth=0.8, zorder=0, clip_on=False)


def _draw_scores(axes: Axes, grid: _Grid, size: int | None) -> None:
    for row in grid.rows:
        if row.original_size not in (None, size):
            continue
        color, marker = grid.look(row.mix)
        y = grid.y(row)
        if row.regimen == BASELINE:
            axes.axvline(row.f1_mean, color=color, linewidth=1, alpha=0.55, zorder=1)
        canvas.write_beside(axes, f"{row.f1_mean:.3f}", y, size=9)
        if row.f1_mean < axes.get_xlim()[0]:
            axes.plot(0.02, y, "<", color=color, markersize=6, transform=axes.get_yaxis_transform())
            continue
        axes.plot([row.f1_low, row.f1_high], [y, y], color=color, linewidth=1.8, solid_capstyle="round", zorder=2)
        axes.plot(
            row.f1_mean,
            y,
            marker,
            markersize=(5.6 if marker in "Ds" else 6.6) - (1.2 if len(grid.sizes) > _USUAL_PANELS else 0),
            markerfacecolor="white" if row.differs is False else color,
            markeredgecolor=color if row.differs is False else "white",
            markeredgewidth=1.3 if row.differs is False else 0.8,
            zorder=4,
        )
        if row.seeds > 1:
            # a little below the line, or the mark would hide the seeds in the middle
            below = [y + _SEEDS_IN] * len(row.f1_seeds)
            axes.plot(row.f1_seeds, below, "o", markersize=2.6, color=color, markeredgewidth=0, alpha=0.6, zorder=3)


def _draw_annotator(axes: Axes, f1: float) -> None:
    axes.axvline(f1, color=canvas.TEXT, linewidth=1, dashes=(4, 3), zorder=1)
    axes.annotate(
        f"annotator {f1:.3f}",
        (f1, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
        color=canvas.QUIET,
    )


def _draw_strips(axes: Axes, schedules: Mapping[str, Sequence[float]], grid: _Grid) -> None:
    _draw_grid(axes, grid)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 1], ["start", "end"])
    start, end = axes.get_xticklabels()
    start.set_horizontalalignment("left")
    end.set_horizontalalignment("right")
    for name, middle in zip(grid.regimens, grid.middles, strict=True):
        if name not in schedules:
            continue
        floor, ceiling = middle + _STRIP_IN / 2, middle - _STRIP_IN / 2
        shares = np.asarray(schedules[name], dtype=np.float64)
        # each share holds for its stretch of training: stairs, so that a step is upright
        border = np.append(shares, shares[-1:]) * -_STRIP_IN + floor
        moments = np.linspace(0, 1, len(border))
        axes.fill_between(moments, floor, border, step="post", color=canvas.LLM, linewidth=0)
        axes.fill_between(moments, border, ceiling, step="post", color=canvas.HUMAN, linewidth=0)


def _by_number(mix: str) -> list[str | int]:
    """What mixes are sorted by: amounts as the numbers that they are, so that 250 comes before 1000."""
    return [int(part) if number % 2 else part for number, part in enumerate(re.split(r"(\d+)", mix))]
