"""The figure of a search: what each candidate scores against what its answers cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LISTED_IN, _LINE_IN = 3.3, 0.21
_LISTED = 30
_NUMBER_PX = 17.0  # numbers of points nearer than this are set side by side
_LOWEST = 0.04  # an F1 axis is no narrower: a hair's breadth drawn wide would look like a difference


@dataclass(frozen=True, slots=True)
class TradePoint:
    """One candidate: output tokens a sentence, strict F1 with its interval, and on how many sentences."""

    name: str
    tokens: float
    f1: float
    f1_low: float
    f1_high: float
    sentences: int


def trade_figure(points: Sequence[TradePoint], path: Path, caption: str) -> None:
    """Draw F1 against output tokens a sentence as PNG or SVG: a numbered point a candidate, named in a list beside it.

    The order of `points` numbers them. Those that were tried on fewer sentences than the first have another colour
    and no interval: their F1 is that of another, smaller sample. Raises ValueError without points.
    """
    if not points:
        raise ValueError("no candidates to draw")
    most = points[0].sentences
    lines = canvas.caption_lines(caption)
    whole = any(point.sentences < most for point in points)
    key = [canvas.Mark(f"on all {most:,} sentences, with 95% interval", canvas.HUMAN, "o")]
    key += [canvas.Mark("dropped out on fewer", canvas.LLM, "o")] if whole else []
    heading = canvas.Heading(
        "F1 against what an answer costs", "up and to the left is better", key, canvas.PAGE_IN - 2 * canvas.MARGIN_IN
    )
    listed = points[:_LISTED]
    tall = max(3.6, _LINE_IN * (len(listed) + 1) + 0.2)
    left, top = 0.85, heading.height + 0.1
    wide = canvas.PAGE_IN - left - _LISTED_IN - canvas.MARGIN_IN
    with canvas.page(path, canvas.PAGE_IN, top + tall + 0.25 + canvas.caption_height(lines)) as figure:
        heading.draw(figure, canvas.MARGIN_IN)
        axes = canvas.add_axes(figure, left, top, wide, tall)
        axes.grid(axis="both", color=canvas.FAINT)
        axes.set_xlabel("output tokens a sentence")
        axes.set_ylabel("strict F1")
        for point in reversed(points):
            final = point.sentences == most
            if final:
                axes.plot(
                    [point.tokens] * 2, [point.f1_low, point.f1_high], color=canvas.HUMAN, linewidth=1.2, alpha=0.55
                )
            axes.plot(
                point.tokens,
                point.f1,
                "o",
                color=canvas.HUMAN if final else canvas.LLM,
                markersize=7,
                zorder=3 if final else 2,
            )
        low, high = axes.get_ylim()
        if high - low < _LOWEST:
            middle = (low + high) / 2
            axes.set_ylim(middle - _LOWEST / 2, middle + _LOWEST / 2)
        axes.margins(x=0.12)
        _write_numbers(axes, points)
        at = canvas.PAGE_IN - _LISTED_IN
        for number, point in enumerate(listed, 1):
            name = f"{number}  {canvas.shorten(point.name, 38)}"
            color = canvas.TEXT if point.sentences == most else canvas.QUIET
            canvas.write_text(figure, name, at, top + _LINE_IN * number, size=8.5, color=color)
            canvas.write_text(
                figure, f"{point.f1:.3f}", canvas.PAGE_IN - canvas.MARGIN_IN - 0.35, top + _LINE_IN * number, size=8.5
            )
        if len(points) > len(listed):
            rest = f"and {len(points) - len(listed):,} more, in table.csv"
            canvas.write_text(figure, rest, at, top + _LINE_IN * (len(listed) + 1), size=8.5)
        canvas.write_caption(figure, lines)


def _write_numbers(axes: Axes, points: Sequence[TradePoint]) -> None:
    """Each point's number to its right; of points on top of each other, one label with all their numbers."""
    groups: list[tuple[float, float, list[int]]] = []
    for number, point in enumerate(points, 1):
        x, y = axes.transData.transform((point.tokens, point.f1))
        near = next((g for g in groups if abs(g[0] - x) < _NUMBER_PX and abs(g[1] - y) < _NUMBER_PX), None)
        if near:
            near[2].append(number)
        else:
            groups.append((x, y, [number]))
    for x, y, numbers in groups:
        place = axes.transData.inverted().transform((x, y))
        axes.annotate(
            ", ".join(map(str, numbers)),
            xy=(float(place[0]), float(place[1])),
            xytext=(7, 3),
            textcoords="offset points",
            fontsize=8.5,
            color=canvas.TEXT,
            bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6},
        )
