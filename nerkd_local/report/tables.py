"""Results as tables: Markdown to read, CSV to go on with."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from nerkd_local.files import atomic_writer
from nerkd_local.report.rows import AnnotatorRow, LabelsRow, ResultRow

NOTHING = "-"
"""What stands in a cell that has no value."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, the full-width forms included."""


def results_table(rows: Sequence[ResultRow], *, level: float = 0.95) -> str:
    """The rows as a Markdown table, in their order, with a newline at the end; three decimals.

    The columns are the same for every experiment. A difference whose interval leaves out 0 is bold. `level` is what
    the rows' intervals were made with; it only names the columns.
    """
    headers = ["regimen", "distilled source", "original", "seeds", "F1", f"{level:.0%} interval"]
    headers += [f"difference to original_only ({level:.0%} interval)", "lenient F1", "precision", "recall"]
    cells = [
        (
            row.regimen,
            NOTHING if row.mix is None else row.mix,
            NOTHING if row.original_size is None else f"{row.original_size:,}",
            str(row.seeds),
            f"{row.f1_mean:.3f}",
            f"{row.f1_low:.3f} to {row.f1_high:.3f}",
            _difference(row),
            NOTHING if row.lenient_mean is None else f"{row.lenient_mean:.3f}",
            f"{row.precision:.3f}",
            f"{row.recall:.3f}",
        )
        for row in rows
    ]
    return markdown_table(headers, cells, left=("regimen", "distilled source", headers[5], headers[6]))


def markdown_table(headers: Sequence[str], cells: Sequence[Sequence[str]], *, left: Sequence[str]) -> str:
    """A GitHub table with a newline at the end; the columns named in `left` are aligned so, the others right.

    No cell can break out of it: a pipe is escaped, line breaks become spaces.
    """
    from tabulate import tabulate

    texts = [[_markdown_text(cell) for cell in line] for line in cells]
    alignment = ["left" if header in left else "right" for header in headers]
    # numbers stay the text they are: tabulate would print .810 as 0.81
    return tabulate(texts, headers, tablefmt="github", disable_numparse=True, colalign=alignment) + "\n"


def write_csv(path: Path, rows: Sequence[ResultRow | LabelsRow | AnnotatorRow | Mapping[str, object]]) -> None:
    """Write rows as CSV (UTF-8, header line, full precision), atomically. No rows: an empty file.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers, negative ones too,
    stay as they are. Several values in one cell are separated by spaces. The columns are the keys of all
    rows, in the order they first occur; a key that a row lacks is an empty cell.
    """
    values = [row if isinstance(row, Mapping) else asdict(row) for row in rows]
    columns = list(dict.fromkeys(key for row in values for key in row))
    with atomic_writer(path) as stream:
        if not columns:
            return
        # lines end in CR LF, as RFC 4180 says; with LF alone Python 3.11 leaves a CR inside a cell unquoted
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow([_cell(column) for column in columns])
        writer.writerows([_cell(row.get(column)) for column in columns] for row in values)


def _difference(row: ResultRow) -> str:
    if row.difference is None:
        return NOTHING
    mean, low, high = (_signed(value) for value in row.difference)
    return f"**{mean}** ({low} to {high})" if row.differs else f"{mean} ({low} to {high})"


def _signed(value: float) -> str:
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = " ".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _markdown_text(text: str) -> str:
    """A cell's text: a pipe would end the cell, a line break the table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
