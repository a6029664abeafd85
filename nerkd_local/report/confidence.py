"""The figures of confidences: are they what is right, and is what they put last what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local.report import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[float, float]]

_WIDTH_IN, _SIDE_IN, _TALL_IN = 6.6, 5.2, 3.6
_LEFT_IN = 0.95
_CHANCE = "chance"


def reliability_figure(series: Mapping[str, Points], path: Path, caption: str) -> None:
    """Draw, as PNG or SVG, the share right over the mean confidence of each bin, one line a series, with the diagonal
    on which confidences are calibrated. Points are (confidence, share right), from 0 to 1.

    The same arguments give the same bytes under one matplotlib version. Raises ValueError without points.
    """
    _check(series)
    marks = _marks(series)
    told = ("Confidence and what is right", "a bin on the line is as often right as it says; below it, less often")
    with _framed(
        path, *told, [*marks, canvas.Mark("as it says", canvas.QUIET, "", "--")], caption, height_in=_SIDE_IN
    ) as axes:
        axes.plot([0, 1], [0, 1], color=canvas.QUIET, linestyle="--", linewidth=1)
        for mark, points in zip(marks, series.values(), strict=True):
            axes.plot(*zip(*points, strict=True), color=mark.color, marker=mark.marker, markersize=5.5, linewidth=1.4)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("mean confidence of a bin")
        axes.set_ylabel("share of its entities that is right")


def risk_coverage_figure(
    curves: Mapping[str, Points], path: Path, caption: str, *, chance: float | None = None
) -> None:
    """Draw, as PNG or SVG, the share wrong among the entities kept over the share kept, one line a ranking. Points are
    (coverage, risk); `chance` is the share wrong among all, which a ranking without knowledge has at any coverage.

    The same arguments give the same bytes under one matplotlib version. Raises ValueError without points.
    """
    _check(curves)
    marks = _marks(curves)
    more = [] if chance is None else [canvas.Mark(_CHANCE, canvas.QUIET, "", "--")]
    shown = [*(canvas.Mark(mark.label, mark.color, "", "-") for mark in marks), *more]
    told = ("What is wrong among the surest", "the surest entities are kept first; lower is better")
    with _framed(path, *told, shown, caption, height_in=_TALL_IN) as axes:
        highest = chance or 0.0
        for mark, points in zip(marks, curves.values(), strict=True):
            axes.plot(*zip(*points, strict=True), color=mark.color, linewidth=1.6)
            highest = max(highest, *(risk for _, risk in points))
        if chance is not None:
            axes.axhline(chance, color=canvas.QUIET, linestyle="--", linewidth=1)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, highest * 1.06 or 1)
        axes.set_xlabel("share of the found entities that is kept")
        axes.set_ylabel("share of these that is wrong")


@contextmanager
def _framed(
    path: Path, title: str, subtitle: str, marks: Sequence[canvas.Mark], caption: str, *, height_in: float
) -> Iterator[Axes]:
    """One pair of axes with a grid, under a heading and above a caption; written when the block ends."""
    heading = canvas.Heading(title, subtitle, list(marks), _WIDTH_IN - _LEFT_IN - canvas.MARGIN_IN)
    lines = canvas.caption_lines(caption, _WIDTH_IN)
    top = heading.height + 0.25
    with canvas.page(path, _WIDTH_IN, top + height_in + 0.12 + canvas.caption_height(lines)) as figure:
        heading.draw(figure, _LEFT_IN)
        axes = canvas.add_axes(figure, _LEFT_IN, top, _SIDE_IN, height_in)
        axes.grid(axis="both")
        yield axes
        canvas.write_caption(figure, lines)


def _check(series: Mapping[str, Points]) -> None:
    if not series or not all(series.values()):
        raise ValueError("no confidences to draw")


def _marks(series: Mapping[str, Points]) -> list[canvas.Mark]:
    return [canvas.Mark(name, color, shape, "-") for name, (color, shape) in zip(series, canvas.KINDS, strict=False)]
