"""How often a test finds a difference of a given size, by seeds: one panel for each number of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.report import canvas

_PANEL_IN, _LEFT_IN, _GAP_IN = 2.9, 0.75, 0.55


@dataclass(frozen=True, slots=True)
class PowerPoint:
    """The share of evaluations in which a difference in F1 of `planted` was found, with its interval; 0 is none."""

    documents: int
    seeds: int
    planted: float
    found: float
    low: float
    high: float


def power_figure(points: Sequence[PowerPoint], path: Path, caption: str, *, level: float = 0.95) -> None:
    """Draw the shares found over the difference planted. Raises ValueError without points."""
    if not points:
        raise ValueError("no points to draw")
    seeds = sorted({point.seeds for point in points})
    looks = {number: canvas.KINDS[index % len(canvas.KINDS)] for index, number in enumerate(seeds)}
    panels = sorted({point.documents for point in points})
    key = [canvas.Mark(f"{number} seeds", *looks[number], "-") for number in seeds]
    reading = (
        "share of evaluations in which the test finds a difference; upright: 95% interval; dotted: "
        f"{1 - level:.0%}, what may be found where there is nothing, and 80%"
    )
    heading = canvas.Heading(
        "Differences found, by size and seeds", reading, key, canvas.PAGE_IN - 2 * canvas.MARGIN_IN
    )
    lines = canvas.caption_lines(caption)
    top = heading.height + 0.3
    wide = (canvas.PAGE_IN - _LEFT_IN - canvas.MARGIN_IN - _GAP_IN * (len(panels) - 1)) / len(panels)
    with canvas.page(path, canvas.PAGE_IN, top + _PANEL_IN + 0.1 + canvas.caption_height(lines)) as figure:
        heading.draw(figure, canvas.MARGIN_IN)
        for number, documents in enumerate(panels):
            left = _LEFT_IN + number * (wide + _GAP_IN)
            canvas.write_text(figure, f"{documents:,} documents", left, top - 0.1)
            axes = canvas.add_axes(figure, left, top, wide, _PANEL_IN)
            axes.grid(axis="y", color=canvas.FAINT)
            axes.set_ylim(-0.02, 1.02)
            axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
            axes.tick_params(axis="y", labelcolor=canvas.QUIET)
            axes.set_xlabel("difference in F1 that was planted")
            for height in (1 - level, 0.8):
                axes.axhline(height, color=canvas.QUIET, linewidth=1, linestyle=":")
            for each in seeds:
                of = sorted((p for p in points if (p.documents, p.seeds) == (documents, each)), key=lambda p: p.planted)
                color, marker = looks[each]
                axes.plot([p.planted for p in of], [p.found for p in of], color=color, linewidth=1.5, alpha=0.8)
                for p in of:
                    axes.plot([p.planted] * 2, [p.low, p.high], color=color, linewidth=1)
                    axes.plot(p.planted, p.found, marker, color=color, markersize=5.5, markeredgecolor="white")
        canvas.write_caption(figure, lines)
