"""The figure of an experiment: every regimen's F1 beside the schedule that made it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nerkd_local.files import write_bytes
from nerkd_local.report.rows import ResultRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's blue and orange: told apart with every kind of colour vision, and one dark and one light in
# grey print. Sizes are an order, not kinds, so they are steps from dark to light, of a third hue.
_ORIGINAL, _DISTILLED = "#0072B2", "#F0B429"
_SIZES = ["#2A1A40", "#6B4595", "#9B7BC0", "#C0A9DA"]
_TEXT, _QUIET, _FAINT = "#1B1F24", "#5F6670", "#E4E7EB"
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 9.5,
    "text.color": _TEXT,
    "text.parse_math": False,  # a $ in a caption is a dollar
    "axes.labelcolor": _QUIET,
    "xtick.color": _QUIET,
    "ytick.color": _TEXT,
}
_WIDTH_IN, _DPI = 10.0, 160
_TOP_IN, _ANNOTATOR_IN, _LINE_IN, _CAPTION_CHARACTERS = 0.98, 0.16, 0.19, 145
_NARROWEST = 0.04  # F1 axis: a hair's breadth drawn wide would look like a difference
_STRIP = 0.6  # height of a schedule's strip, in rows


def regimen_figure(
    rows: Sequence[ResultRow],
    schedules: Mapping[str, Sequence[float]],
    path: Path,
    caption: str,
    *,
    annotator_f1: float | None = None,
    level: float = 0.95,
) -> None:
    """Draw the results as one PNG: one line a regimen, the best (by mean F1 over its sizes) on top.

    Left, a dot for the mean F1 with its interval and its number, one for each size of the human-labelled set
    from the largest down, and small open points for the single seeds; `annotator_f1` is a labelled reference
    line. Right, on the same line, what training sees from start to end: `schedules` holds a regimen's
    distilled shares at evenly spaced moments (`Regimen.share` of `progress`); a regimen without one gets no
    strip.

    The same arguments give the same bytes under one matplotlib version. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no results to draw")
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = _best_first(rows)
    sizes = sorted({row.original_size for row in rows}, reverse=True)
    lines = textwrap.wrap(caption, _CAPTION_CHARACTERS)
    row_in = 0.26 + 0.2 * len(sizes)
    bottom_in = 0.55 + _LINE_IN * len(lines)
    lift_in = 0.0 if annotator_f1 is None else _ANNOTATOR_IN  # room for its label above the rows
    height = _TOP_IN + lift_in + row_in * len(names) + bottom_in
    left = max(1.1, 0.3 + 0.085 * max(len(name) for name in names)) / _WIDTH_IN
    # "default" first: a user's own matplotlibrc must not change a report
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        bottom, tall = bottom_in / height, row_in * len(names) / height
        scores = figure.add_axes((left, bottom, 0.64 - left, tall))
        shares = figure.add_axes((0.74, bottom, 0.24, tall))
        for axes in (scores, shares):
            _draw_grid(axes, len(names))
        if annotator_f1 is not None:
            _draw_annotator(scores, annotator_f1)
        _draw_scores(scores, rows, names, sizes, row_in)
        _draw_strips(shares, schedules, names)
        several = any(row.seeds > 1 for row in rows)
        reading = f"dot: mean,  line: {level:.0%} interval" + (",  circles: single seeds" if several else "")
        _draw_header(scores, "Strict F1", reading, lift_in)
        _draw_header(shares, "What training sees", "share of each source", lift_in)
        key = [(f"{size:,}", _size_color(sizes, size), "o") for size in sizes]
        key[-1] = (f"{key[-1][0]} original sentences", *key[-1][1:])
        _draw_key(scores, key, lift_in)
        _draw_key(shares, [("distilled", _DISTILLED, "s"), ("original", _ORIGINAL, "s")], lift_in)
        for number, line in enumerate(lines):
            at = (0.12 + _LINE_IN * (len(lines) - 1 - number)) / height
            figure.text(0.3 / _WIDTH_IN, at, line, color=_QUIET, fontsize=8.5)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", metadata={"Software": None})
    write_bytes(path, stream.getvalue())


def _best_first(rows: Sequence[ResultRow]) -> list[str]:
    means: dict[str, list[float]] = {}
    for row in rows:
        means.setdefault(row.regimen, []).append(row.f1_mean)
    return sorted(means, key=lambda name: (-sum(means[name]) / len(means[name]), name))


def _size_color(sizes: list[int], size: int) -> str:
    return _SIZES[min(sizes.index(size), len(_SIZES) - 1)]


def _draw_grid(axes: Axes, number: int) -> None:
    """One row a regimen, the first on top, faint lines between them and nothing else."""
    axes.set_ylim(number - 0.5, -0.5)
    axes.set_yticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for border in range(number + 1):
        axes.axhline(border - 0.5, color=_FAINT, linewidth=0.8, zorder=0, clip_on=False)


def _draw_scores(axes: Axes, rows: Sequence[ResultRow], names: list[str], sizes: list[int], row_in: float) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=10)
    for row in rows:
        color = _size_color(sizes, row.original_size)
        y = names.index(row.regimen) + (sizes.index(row.original_size) - (len(sizes) - 1) / 2) * 0.2 / row_in
        axes.plot([row.f1_low, row.f1_high], [y, y], color=color, linewidth=2, solid_capstyle="round")
        axes.plot(row.f1_mean, y, "o", color=color, markersize=7.5, markeredgecolor="white", zorder=4)
        if row.seeds > 1:
            # a little below the line, or the dot would hide the seeds in the middle
            below = [y + 0.085 / row_in] * len(row.f1_seeds)
            axes.plot(row.f1_seeds, below, "o", markersize=3.4, color="none", markeredgecolor=color, alpha=0.8)
        axes.annotate(
            f"{row.f1_mean:.3f}",
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center_baseline",
        )
    axes.margins(x=0.04)
    low, high = axes.get_xlim()
    missing = max(0.0, _NARROWEST - (high - low)) / 2
    axes.set_xlim(low - missing, high + missing)
    axes.locator_params(axis="x", nbins=9, steps=[1, 2, 5, 10])
    axes.grid(axis="x", color=_FAINT, linewidth=0.8, zorder=0)


def _draw_annotator(axes: Axes, f1: float) -> None:
    axes.axvline(f1, color=_TEXT, linewidth=1, dashes=(4, 3), zorder=1)
    axes.annotate(
        f"annotator {f1:.3f}",
        (f1, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
    )


def _draw_strips(axes: Axes, schedules: Mapping[str, Sequence[float]], names: list[str]) -> None:
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 1], ["start", "end"])
    start, end = axes.get_xticklabels()
    start.set_horizontalalignment("left")
    end.set_horizontalalignment("right")
    for row, name in enumerate(names):
        if name not in schedules:
            continue
        floor, ceiling = row + _STRIP / 2, row - _STRIP / 2
        shares = np.asarray(schedules[name], dtype=np.float64)
        # each share holds for its stretch of training: stairs, so that a step is upright
        border = np.append(shares, shares[-1:]) * -_STRIP + floor
        moments = np.linspace(0, 1, len(border))
        axes.fill_between(moments, floor, border, step="post", color=_DISTILLED, linewidth=0)
        axes.fill_between(moments, border, ceiling, step="post", color=_ORIGINAL, linewidth=0)


def _draw_header(axes: Axes, title: str, subtitle: str, lift_in: float) -> None:
    for text, points, size, color in ((title, 48, 12, _TEXT), (subtitle, 31, 9, _QUIET)):
        axes.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, points + 72 * lift_in),
            textcoords="offset points",
            fontsize=size,
            fontweight="bold" if text == title else "normal",
            color=color,
        )


def _draw_key(axes: Axes, entries: list[tuple[str, str, str]], lift_in: float) -> None:
    """One line of (label, color, marker) between the header and the rows."""
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    marks = [
        Line2D([], [], color=color, marker=marker, linestyle="", markersize=7, label=label)
        for label, color, marker in entries
    ]
    axes.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        bbox_transform=axes.transAxes + ScaledTranslation(0, 0.1 + lift_in, axes.figure.dpi_scale_trans),
        ncols=len(marks),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=0.9,
        handletextpad=0.4,
        columnspacing=1.4,
    )
