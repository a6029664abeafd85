"""Training as it went, in small multiples, a panel a regimen: shares planned and realised, losses, scores on the
way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nerkd_local.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _LEFT_IN, _GAP_IN, _TITLE_IN, _PANEL_IN = 4, 0.75, 0.28, 0.45, 0.95
_NAME_CHARACTERS = 24
_LOWEST_LOSS = 1e-3
"""A loss of nothing has no place on a logarithmic axis."""

_COLOURS = {"original": canvas.HUMAN, "distilled": canvas.LLM}


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean over a regimen's students, and the lowest and highest of them. All of one length; NaN: no value.

    `at`: optimizer steps. For shares and losses, `at` is where a stretch of training begins, and `end` where the last
    one ends.
    """

    at: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    end: float


@dataclass(frozen=True, slots=True)
class Panel:
    """A regimen. `note` is a line below its name. `curves` by source, or by what is scored; `planned`: w(t), the
    distilled share that was asked for, at evenly spaced moments from start to end, empty where it is not known."""

    name: str
    note: str
    curves: Mapping[str, Curve]
    planned: Sequence[float] = field(default=())


def schedules_figure(panels: Sequence[Panel], path: Path, caption: str) -> None:
    """Draw what training saw, as PNG or SVG: the realised share of distilled examples, as an area over the steps, and
    the planned one as a line. Each panel's one curve is its "distilled" one.

    The same panels give the same bytes under one matplotlib version. Raises ValueError without panels.
    """

    def draw(axes: Axes, panel: Panel) -> None:
        curve = panel.curves["distilled"]
        stairs = np.append(curve.at, curve.end)
        mean = np.append(curve.mean, curve.mean[-1:])
        axes.fill_between(stairs, 0, mean, step="post", color=canvas.LLM, linewidth=0)
        axes.fill_between(stairs, mean, 1, step="post", color=canvas.HUMAN, linewidth=0)
        low, high = (np.append(values, values[-1:]) for values in (curve.low, curve.high))
        apart = high > low
        axes.fill_between(stairs, low, high, where=apart, step="post", color="white", alpha=0.45, linewidth=0)
        if panel.planned:
            moments = (np.arange(len(panel.planned)) + 0.5) / len(panel.planned) * curve.end
            axes.plot(moments, panel.planned, color=canvas.TEXT, linewidth=1.6, drawstyle="steps-mid")
        axes.set_xlim(0, curve.end)
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])

    ranged = any(max(curve.high) > min(curve.mean) for panel in panels for curve in panel.curves.values())
    key = [
        canvas.Mark("distilled, as it came", canvas.LLM, "s"),
        canvas.Mark("original, as it came", canvas.HUMAN, "s"),
        canvas.Mark("distilled share as planned", canvas.TEXT, "", "-"),
    ]
    reading = "share of the sentences in a batch, over the steps" + (
        "; light band: lowest to highest of the students" if ranged else ""
    )
    _draw_panels(panels, path, caption, canvas.Heading("What training saw", reading, key, _heading_width()), draw)


def losses_figure(panels: Sequence[Panel], path: Path, caption: str) -> None:
    """Draw the training loss of each source's words, as PNG or SVG, on one logarithmic axis; curves by source.

    The same panels give the same bytes under one matplotlib version. Raises ValueError without panels.
    """
    shown = [
        value
        for panel in panels
        for curve in panel.curves.values()
        for value in (*curve.low, *curve.high)
        if np.isfinite(value)
    ]
    low, high = max(min(shown, default=0.1), _LOWEST_LOSS), max(max(shown, default=1.0), _LOWEST_LOSS)
    ticks = [value for value in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0) if low <= value <= high]

    def draw(axes: Axes, panel: Panel) -> None:
        axes.set_yscale("log")
        for source, curve in panel.curves.items():
            middles = (np.asarray(curve.at) + np.append(curve.at[1:], curve.end)) / 2
            mean, least, most = (np.clip(values, _LOWEST_LOSS, None) for values in (curve.mean, curve.low, curve.high))
            axes.fill_between(middles, least, most, color=_COLOURS[source], alpha=0.3, linewidth=0)
            axes.plot(middles, mean, color=_COLOURS[source], linewidth=1.6)
            axes.set_xlim(0, curve.end)
        axes.minorticks_off()
        axes.set_ylim(low / 1.15, high * 1.15)
        axes.set_yticks(ticks, [f"{value:g}" for value in ticks])
        axes.grid(axis="y")

    key = [canvas.Mark("distilled words", canvas.LLM, "", "-"), canvas.Mark("original words", canvas.HUMAN, "", "-")]
    reading = "mean loss a word, over the steps; band: lowest to highest of the students; none where a source is absent"
    _draw_panels(panels, path, caption, canvas.Heading("Training loss", reading, key, _heading_width()), draw)


def scores_figure(panels: Sequence[Panel], path: Path, caption: str) -> None:
    """Draw F1 on the way, as PNG or SVG; each panel's one curve is called "F1".

    The same panels give the same bytes under one matplotlib version. Raises ValueError without panels.
    """
    values = [value for panel in panels for curve in panel.curves.values() for value in (*curve.low, *curve.high)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = max(0.05 * (high - low), (canvas.NARROWEST - (high - low)) / 2)

    def draw(axes: Axes, panel: Panel) -> None:
        curve = panel.curves["F1"]
        axes.fill_between(curve.at, curve.low, curve.high, color=canvas.QUIET, alpha=0.3, linewidth=0)
        axes.plot(curve.at, curve.mean, "o-", color=canvas.TEXT, linewidth=1.4, markersize=3)
        axes.set_xlim(0, curve.end)
        axes.set_ylim(low - room, high + room)
        axes.locator_params(axis="y", nbins=3, steps=[1, 2, 5, 10])
        axes.grid(axis="y")

    reading = "strict F1 after so many steps; band: lowest to highest of the students"
    _draw_panels(panels, path, caption, canvas.Heading("F1 on the way", reading, (), _heading_width()), draw)


def _heading_width() -> float:
    return canvas.PAGE_IN - _LEFT_IN - canvas.MARGIN_IN


def _draw_panels(
    panels: Sequence[Panel], path: Path, caption: str, heading: canvas.Heading, draw: Callable[[Axes, Panel], None]
) -> None:
    if not panels:
        raise ValueError("no courses to draw")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    lines = canvas.caption_lines(caption)
    top = heading.height
    tall = (_TITLE_IN + _PANEL_IN) * rows + _GAP_IN * (rows - 1)
    width = (_heading_width() + _GAP_IN) / _COLUMNS - _GAP_IN
    with canvas.page(path, canvas.PAGE_IN, top + tall + canvas.caption_height(lines)) as figure:
        heading.draw(figure, _LEFT_IN)
        for number, panel in enumerate(panels):
            row, column = divmod(number, columns)
            left = _LEFT_IN + column * (width + _GAP_IN)
            above = top + row * (_TITLE_IN + _PANEL_IN + _GAP_IN)
            canvas.write_text(
                figure, canvas.shorten(panel.name, _NAME_CHARACTERS), left, above + 0.18, color=canvas.TEXT, bold=True
            )
            canvas.write_text(figure, panel.note, left, above + 0.35, size=8)
            axes = canvas.add_axes(figure, left, above + _TITLE_IN, width, _PANEL_IN)
            axes.grid(visible=False)
            draw(axes, panel)
            axes.tick_params(axis="both", labelcolor=canvas.QUIET, labelsize=8)
            axes.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
            axes.axhline(axes.get_ylim()[0], color=canvas.FAINT, linewidth=1, clip_on=False)
            if column:
                axes.tick_params(axis="y", labelleft=False)
            if number + columns >= len(panels):
                axes.set_xlabel("step", fontsize=8, labelpad=1)
        canvas.write_caption(figure, lines)
