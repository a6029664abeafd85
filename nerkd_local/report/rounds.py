"""A loop round by round: what was asked, what it changed, what it gave and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nerkd_local.report import canvas
from nerkd_local.report.tables import NOTHING, markdown_table

_CURVE_IN, _LEFT_IN, _RIGHT_IN = 2.9, 1.0, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """One round. `f1`, `gain`: mean, low and high of the interval; round 0 has no gain. `changed`: of the sentences
    that were asked, those whose labels are others now; `unanswered`: those whose answer could not be used."""

    round: int
    asked: int
    changed: int
    unanswered: int
    original: int
    distilled: int
    f1_seeds: tuple[float, ...]
    f1: tuple[float, float, float]
    gain: tuple[float, float, float] | None = None
    minutes: float
    verdict: str = ""

    @property
    def gain_a_minute(self) -> float | None:
        """None for round 0, and where no time passed."""
        return None if self.gain is None or not self.minutes else self.gain[0] / self.minutes


def row_to_json(row: RoundRow) -> dict[str, Any]:
    """The row as plain JSON, with the gain a minute."""
    return {**asdict(row), "gain_a_minute": row.gain_a_minute}


def row_from_json(value: dict[str, Any]) -> RoundRow:
    """The row that `row_to_json` wrote."""
    names = {field.name for field in fields(RoundRow)}
    plain: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in value.items() if name in names
    }
    return RoundRow(**plain)


def rounds_table(rows: Sequence[RoundRow], *, minutes: str, level: float = 0.95) -> str:
    """The rows as a Markdown table with a newline at the end. `minutes`: whose, such as GPU or processor."""
    interval = f"{level:.0%} interval"
    headers = ["round", "asked", "changed", "original", "distilled", "F1", interval, f"gain ({interval})"]
    headers += [f"{minutes}-minutes", "gain a minute", "verdict"]
    cells = [
        (
            str(row.round),
            f"{row.asked:,}",
            f"{row.changed:,}",
            f"{row.original:,}",
            f"{row.distilled:,}",
            f"{row.f1[0]:.3f}",
            f"{row.f1[1]:.3f} to {row.f1[2]:.3f}",
            NOTHING if row.gain is None else f"{row.gain[0]:+.3f} ({row.gain[1]:+.3f} to {row.gain[2]:+.3f})",
            f"{row.minutes:.1f}",
            NOTHING if row.gain_a_minute is None else f"{row.gain_a_minute:+.4f}",
            row.verdict,
        )
        for row in rows
    ]
    return markdown_table(headers, cells, left=(headers[6], headers[7], "verdict"))


def rounds_figure(rows: Sequence[RoundRow], path: Path, caption: str, *, minutes: str, level: float = 0.95) -> None:
    """Draw F1 against the minutes that all rounds so far took as PNG or SVG; a mark a round, with its number.

    The same rows give the same bytes under one matplotlib version. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("no rounds to draw")
    several = any(len(row.f1_seeds) > 1 for row in rows)
    reading = f"mark: mean of a round, line: {level:.0%} interval" + (", points: single seeds" if several else "")
    heading = canvas.Heading("Strict F1 by what was spent", reading, (), canvas.PAGE_IN - _LEFT_IN - canvas.MARGIN_IN)
    lines = canvas.caption_lines(caption)
    top = heading.height + 0.15
    with canvas.page(path, canvas.PAGE_IN, top + _CURVE_IN + 0.2 + canvas.caption_height(lines)) as figure:
        heading.draw(figure, _LEFT_IN)
        axes = canvas.add_axes(figure, _LEFT_IN, top, canvas.PAGE_IN - _LEFT_IN - _RIGHT_IN, _CURVE_IN)
        spent = [sum(row.minutes for row in rows[: number + 1]) for number in range(len(rows))]
        axes.plot(spent, [row.f1[0] for row in rows], color=canvas.LLM, linewidth=1.2, alpha=0.8, zorder=2)
        for x, row in zip(spent, rows, strict=True):
            axes.plot([x, x], row.f1[1:], color=canvas.LLM, linewidth=2, solid_capstyle="round", zorder=3)
            axes.plot(
                x,
                row.f1[0],
                "s",
                color=canvas.LLM,
                markersize=7,
                markeredgecolor=canvas.TEXT,
                markeredgewidth=0.8,
                zorder=4,
            )
            if len(row.f1_seeds) > 1:
                axes.plot([x] * len(row.f1_seeds), row.f1_seeds, "o", color=canvas.TEXT, markersize=2.5, zorder=5)
            label = f"round {row.round}: {row.f1[0]:.3f}"
            axes.annotate(label, (x, row.f1[0]), xytext=(9, 3), textcoords="offset points", fontsize=8.5)
        axes.set_xlabel(f"{minutes}-minutes, all rounds so far")
        axes.set_xlim(0, max(spent[-1], 0.1) * 1.06)
        canvas.open_f1_axis(axes)
        canvas.write_caption(figure, lines)
