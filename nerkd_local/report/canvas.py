"""What all figures have in common: the page, its type and colours, title, key and caption. Lengths are inches, from
the top left corner of the page."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nerkd_local.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours (Color Universal Design, 2008): told apart with every kind of colour vision. Human labels are
# blue everywhere and LLM labels amber, one dark and one light in grey print; mixes of sources also differ in shape, by
# which the second six are told from the first.
HUMAN, LLM = "#0072B2", "#F0B429"
_COLOURS = ("#D55E00", "#009E73", "#AA4499", "#3B3B3B", "#56B4E9", "#9A7D0A")
KINDS = tuple(zip(_COLOURS * 2, "osD^vPX<>hp*", strict=True))
TEXT, QUIET, FAINT = "#1B1F24", "#5F6670", "#E4E7EB"

PAGE_IN, MARGIN_IN = 10.0, 0.3
NARROWEST = 0.04
"""How much of F1 an axis shows at least: a hair's breadth drawn wide would look like a difference."""
_DPI = 160
_TITLE_IN, _LINE_IN, _KEY_IN = 0.34, 0.19, 0.22
_READING_CHARACTER_IN, _KEY_CHARACTER_IN, _CAPTION_CHARACTER_IN = (
    0.073,
    0.062,
    0.0645,
)  # mean widths, with room to spare
_STYLE = {
    # DejaVu Sans comes with matplotlib: the same picture on every machine. The others are what an SVG is shown with
    # where it is not installed: Verdana is as wide
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "svg.fonttype": "none",  # text stays text: to be searched, copied and read out
    "svg.hashsalt": "nerkd",  # names of parts are random otherwise
    "font.size": 9.5,
    "text.color": TEXT,
    "text.parse_math": False,  # a $ in a caption is a dollar
    "axes.labelcolor": QUIET,
    "axes.grid.axis": "x",
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": TEXT,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of a key; `line` runs through the marker: "-", "--" or none."""

    label: str
    color: str
    marker: str
    line: Literal["-", "--", ""] = ""


@contextmanager
def page(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A white figure to draw on; it is written to `path`, as PNG or SVG by its suffix, when the block ends without an
    error.

    The same drawing gives the same bytes under one matplotlib version, whatever the user's own settings. An SVG file
    has its text as text, no date, and asks for nothing from outside. Raises ValueError for another suffix.
    """
    if path.suffix not in _WRITERS:
        raise ValueError(f"{path}: figures are written as {' and '.join(_WRITERS)}")
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # "default" first: a user's own matplotlibrc must not change a report
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        yield figure
        content = _WRITERS[path.suffix](figure)
    write_bytes(path, content)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _svg(figure: Figure) -> bytes:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    # what names the document type is an address on the web, and a control character in a name is no XML
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", _DOCTYPE.sub("", stream.getvalue())).encode("utf-8")


_WRITERS = {".png": _png, ".svg": _svg}
_DOCTYPE = re.compile(r"<!DOCTYPE[^>]*>\n?")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes without a frame or tick marks."""
    page_width, page_height = figure.get_size_inches()
    box = (left / page_width, 1 - (top + height) / page_height, width / page_width, height / page_height)
    axes = figure.add_axes(box)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_axisbelow(True)
    return axes


def open_f1_axis(axes: Axes) -> None:
    """Grid, ticks and at least `NARROWEST` of room for F1 upwards, once all is drawn."""
    axes.tick_params(axis="y", labelcolor=QUIET)
    low, high = axes.get_ylim()
    missing = max(0.0, NARROWEST - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)
    axes.locator_params(axis="y", nbins=7, steps=[1, 2, 5, 10])
    axes.grid(axis="y")


def write_text(
    figure: Figure, text: str, left: float, top: float, *, size: float = 9, color: str = QUIET, bold: bool = False
) -> None:
    """One line; `top` is where its letters stand."""
    page_width, page_height = figure.get_size_inches()
    weight = "bold" if bold else "normal"
    figure.text(left / page_width, 1 - top / page_height, text, fontsize=size, color=color, fontweight=weight)


@dataclass(frozen=True, slots=True)
class Heading:
    """A title, one or more lines on how to read what is below, and a key, in a column of `width`."""

    title: str
    reading: str
    key: Sequence[Mark]
    width: float

    @property
    def height(self) -> float:
        return _TITLE_IN + _LINE_IN * len(self._lines) + _KEY_IN * len(self._key_lines) + 0.12

    @property
    def _lines(self) -> list[str]:
        return textwrap.wrap(self.reading, max(12, int(self.width / _READING_CHARACTER_IN)))

    @property
    def _key_lines(self) -> list[list[Mark]]:
        lines: list[list[Mark]] = []
        room = 0.0
        for mark in self.key:
            needed = _KEY_CHARACTER_IN * len(mark.label) + (0.45 if mark.line else 0.33)
            if not lines or needed > room:
                lines.append([])
                room = self.width
            lines[-1].append(mark)
            room -= needed
        return lines

    def draw(self, figure: Figure, left: float) -> None:
        """At the top of the page."""
        write_text(figure, self.title, left, _TITLE_IN, size=12, color=TEXT, bold=True)
        top = _TITLE_IN + 0.02
        for line in self._lines:
            top += _LINE_IN
            write_text(figure, line, left, top)
        for marks in self._key_lines:
            _draw_key(figure, marks, left, top + 0.12)
            top += _KEY_IN


def caption_lines(caption: str, width: float = PAGE_IN) -> list[str]:
    """The caption, broken to fit a page of that width."""
    return textwrap.wrap(caption, int((width - 2 * MARGIN_IN) / _CAPTION_CHARACTER_IN))


def caption_height(lines: Sequence[str]) -> float:
    """What to leave free at the bottom of a page for a caption below an axis with numbers."""
    return 0.55 + _LINE_IN * len(lines)


def write_caption(figure: Figure, lines: Sequence[str]) -> None:
    """At the bottom of the page."""
    top = figure.get_size_inches()[1] - 0.12 - _LINE_IN * len(lines)
    for number, line in enumerate(lines, 1):
        write_text(figure, line, MARGIN_IN, top + _LINE_IN * number, size=8.5)


def write_beside(
    axes: Axes, text: str, y: float, *, away: float = 5, size: float | None = None, color: str = TEXT
) -> None:
    """A line right of the axes, level with `y` of their data, `away` points from them."""
    place, unit = (1, y), ("axes fraction", "data")
    axes.annotate(text, place, (away, 0), unit, "offset points", va="center_baseline", fontsize=size, color=color)


def shorten(name: str, most: int) -> str:
    """A name of at most that many characters: the middle goes, because long names often differ at their ends."""
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def _draw_key(figure: Figure, marks: Sequence[Mark], left: float, top: float) -> None:
    from matplotlib.lines import Line2D

    page_width, page_height = figure.get_size_inches()
    handles = [
        Line2D([], [], color=mark.color, marker=mark.marker, linestyle=mark.line, markersize=6.5, label=mark.label)
        for mark in marks
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / page_width, 1 - top / page_height),
        ncols=len(marks),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6 if any(mark.line for mark in marks) else 0.9,
        handletextpad=0.4,
        columnspacing=1.4,
    )
