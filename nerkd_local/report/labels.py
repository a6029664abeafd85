"""The paper's first phase for people: how well the annotator labels, and what students learn from its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report import canvas
from nerkd_local.report.rows import AnnotatorRow, LabelsRow
from nerkd_local.report.tables import NOTHING, markdown_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS = {"human": (canvas.HUMAN, "o"), "LLM": (canvas.LLM, "s")}
_CURVES_IN, _CURVES_LEFT_IN, _NAMES_IN = 2.9, 1.0, 1.4
_ROW_IN, _NAME_CHARACTERS, _NAME_CHARACTER_IN = 0.36, 44, 0.082


def labels_table(rows: Sequence[LabelsRow], *, level: float = 0.95) -> str:
    """The rows as a Markdown table, in their order, with a newline at the end; three decimals."""
    headers, cells = labels_cells(rows, level=level)
    return markdown_table(headers, cells, left=("labels", headers[-1]))


def labels_cells(
    rows: Sequence[LabelsRow], *, level: float = 0.95
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The headers of the label study, and its rows' cells as they are shown."""
    return ("labels", "sentences", "seeds", "F1", f"{level:.0%} interval"), tuple(
        (
            row.labels,
            f"{row.sentences:,}",
            str(row.seeds),
            f"{row.f1_mean:.3f}",
            f"{row.f1_low:.3f} to {row.f1_high:.3f}",
        )
        for row in rows
    )


def annotators_table(rows: Sequence[AnnotatorRow], *, level: float = 0.95) -> str:
    """The rows as a Markdown table, in their order, with a newline at the end; three decimals.

    Tokens and seconds are those of one sentence, so that annotators can be compared; without any seconds there is no
    such column.
    """
    headers, cells = annotators_cells(rows, level=level)
    return markdown_table(headers, cells, left=("annotator", "prompt", "format", headers[5]))


def annotators_cells(
    rows: Sequence[AnnotatorRow], *, level: float = 0.95
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The headers of the annotator study, and its rows' cells as they are shown; see `annotators_table`."""
    timed = any(row.seconds is not None for row in rows)
    headers = (
        *("annotator", "prompt", "format", "sentences", "F1", f"{level:.0%} interval", "precision", "recall"),
        *("tokens a sentence", *(("seconds a sentence",) if timed else ())),
    )
    return headers, tuple(
        (
            row.annotator,
            row.prompt,
            row.format,
            f"{row.sentences:,}",
            f"{row.f1:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            f"{row.precision:.3f}",
            f"{row.recall:.3f}",
            _rate(row.output_tokens, row.sentences, 1),
            *([_rate(row.seconds, row.sentences, 3)] if timed else []),
        )
        for row in rows
    )


def labels_figure(rows: Sequence[LabelsRow], path: Path, caption: str, *, level: float = 0.95) -> None:
    """Draw F1 against the number of training sentences as PNG or SVG: a curve for human and one for LLM labels.

    Marks for the means with their intervals, small points for the single seeds; the axis of sentences is
    logarithmic, its ticks are the sizes of the rows. One size only: marks without a curve. The same rows in any
    order give the same bytes under one matplotlib version. Raises ValueError without rows, and for one that has no
    sentences.
    """
    if not rows:
        raise ValueError("no results to draw")
    if any(row.sentences < 1 for row in rows):
        raise ValueError("students of no sentences have no place on a logarithmic axis")
    curves = [
        sorted((row for row in rows if row.labels == kind), key=lambda row: row.sentences)
        for kind in dict.fromkeys(sorted((row.labels for row in rows), reverse=True))
    ]
    sizes = sorted({row.sentences for row in rows})
    several = any(row.seeds > 1 for row in rows)
    heading = canvas.Heading(
        "Strict F1 by labels",
        f"mark: mean, line: {level:.0%} interval" + (", points: single seeds" if several else ""),
        [canvas.Mark(f"{curve[0].labels} labels", *_LOOKS[curve[0].labels], line="-") for curve in curves],
        canvas.PAGE_IN - _CURVES_LEFT_IN - canvas.MARGIN_IN,
    )
    lines = canvas.caption_lines(caption)
    top = heading.height + 0.15
    with canvas.page(path, canvas.PAGE_IN, top + _CURVES_IN + 0.2 + canvas.caption_height(lines)) as figure:
        heading.draw(figure, _CURVES_LEFT_IN)
        axes = canvas.add_axes(figure, _CURVES_LEFT_IN, top, canvas.PAGE_IN - _CURVES_LEFT_IN - _NAMES_IN, _CURVES_IN)
        axes.set_xscale("log")
        best = max(curve[-1].f1_mean for curve in curves)
        for curve in curves:
            _draw_curve(axes, curve, above=curve[-1].f1_mean == best)
        axes.minorticks_off()
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xlabel("training sentences")
        axes.margins(x=0.06)
        if len(sizes) == 1:
            axes.set_xlim(sizes[0] / 2, sizes[0] * 2)
        canvas.open_f1_axis(axes)
        canvas.write_caption(figure, lines)


def annotators_figure(rows: Sequence[AnnotatorRow], path: Path, caption: str, *, level: float = 0.95) -> None:
    """Draw the annotators' own F1 as PNG or SVG: a line for each annotator, prompt and format, in the rows' order.

    A mark for F1 with its interval and number. The same rows give the same bytes under one matplotlib version.
    Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no results to draw")
    one = len({row.annotator for row in rows}) == 1
    names = [f"{row.prompt}, {row.format}" if one else f"{row.annotator}: {row.prompt}, {row.format}" for row in rows]
    title = f"Strict F1 of {canvas.shorten(rows[0].annotator, 40)}" if one else "Strict F1 of the annotators"
    shown = [(name, row.f1, row.low, row.high) for name, row in zip(names, rows, strict=True)]
    f1_figure(shown, path, caption, title=title, level=level)


def f1_figure(
    rows: Sequence[tuple[str, float, float, float]], path: Path, caption: str, *, title: str, level: float = 0.95
) -> None:
    """Draw LLM labels' F1, as PNG or SVG, a line a row: its name, F1, low and high.

    The same rows give the same bytes under one matplotlib version. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no results to draw")
    names = [canvas.shorten(name, _NAME_CHARACTERS) for name, *_ in rows]
    left = max(1.1, canvas.MARGIN_IN + 0.1 + _NAME_CHARACTER_IN * max(map(len, names)))
    width = canvas.PAGE_IN - left - canvas.MARGIN_IN - 0.5
    heading = canvas.Heading(title, f"mark: F1, line: {level:.0%} interval", (), width)
    lines = canvas.caption_lines(caption)
    top = heading.height
    tall = _ROW_IN * len(rows)
    with canvas.page(path, canvas.PAGE_IN, top + tall + canvas.caption_height(lines)) as figure:
        heading.draw(figure, left)
        axes = canvas.add_axes(figure, left, top, width, tall)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), names, fontsize=10)
        for border in range(len(rows) + 1):
            axes.axhline(border - 0.5, color=canvas.FAINT, linewidth=0.8, zorder=0, clip_on=False)
        for y, (_, f1, lowest, highest) in enumerate(rows):
            axes.plot([lowest, highest], [y, y], color=canvas.LLM, linewidth=2, solid_capstyle="round")
            axes.plot(
                f1, y, "s", color=canvas.LLM, markersize=7, markeredgecolor=canvas.TEXT, markeredgewidth=0.8, zorder=4
            )
            canvas.write_beside(axes, f"{f1:.3f}", y, away=8)
        axes.margins(x=0.05)
        low, high = axes.get_xlim()
        missing = max(0.0, canvas.NARROWEST - (high - low)) / 2
        axes.set_xlim(low - missing, high + missing)
        axes.locator_params(axis="x", nbins=9, steps=[1, 2, 5, 10])
        axes.grid(axis="x")
        canvas.write_caption(figure, lines)


def _rate(total: float | None, sentences: int, decimals: int) -> str:
    return NOTHING if total is None or sentences == 0 else f"{total / sentences:.{decimals}f}"


def _draw_curve(axes: Axes, rows: Sequence[LabelsRow], *, above: bool) -> None:
    color, marker = _LOOKS[rows[0].labels]
    # the two kinds stand a little apart, or their intervals would hide one another
    shift = 0.985 if rows[0].labels == "human" else 1.015
    places = [row.sentences * shift for row in rows]
    axes.plot(places, [row.f1_mean for row in rows], color=color, linewidth=1.2, alpha=0.8, zorder=2)
    for x, row in zip(places, rows, strict=True):
        axes.plot([x, x], [row.f1_low, row.f1_high], color=color, linewidth=2, solid_capstyle="round", zorder=3)
        axes.plot(
            x,
            row.f1_mean,
            marker,
            color=color,
            markersize=7,
            markeredgecolor=canvas.TEXT,
            markeredgewidth=0.8,
            zorder=4,
        )
        if row.seeds > 1:
            beside = [x * shift**1.6] * len(row.f1_seeds)
            axes.plot(beside, row.f1_seeds, "o", color=color, markersize=3, markeredgewidth=0, zorder=3)
    axes.annotate(
        f"{rows[-1].labels} {rows[-1].f1_mean:.3f}",
        (places[-1], rows[-1].f1_mean),
        xytext=(18, 1 if above else -1),
        textcoords="offset points",
        va="bottom" if above else "top",  # so that two curves that end together keep their labels apart
    )
