"""Results as tables: Markdown to read, LaTeX to print, CSV to go on with."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from nerkd_local.files import atomic_writer, write_text
from nerkd_local.report.parts import Table
from nerkd_local.report.rows import AnnotatorRow, LabelsRow, ResultRow

NOTHING = "-"
"""What stands in a cell that has no value."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, the full-width forms included."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_AFTER_A_LINE = re.compile(r"^ +([\[*])", re.MULTILINE)
"""What LaTeX would take for an option of the line break or rule before it."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def results_table(rows: Sequence[ResultRow], *, level: float = 0.95) -> str:
    """The rows as a Markdown table, in their order, with a newline at the end; three decimals.

    The columns are the same for every experiment. A difference whose interval leaves out 0 is bold. `level` is what
    the rows' intervals were made with; it only names the columns.
    """
    headers, cells = results_cells(rows, level=level, bold=True)
    return markdown_table(headers, cells, left=(*headers[:2], headers[5], headers[6]))


def results_cells(
    rows: Sequence[ResultRow], *, level: float = 0.95, bold: bool = False
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The headers of the results and the rows' cells as they are shown, with three decimals; `level` as above.

    With `bold`, a difference whose interval leaves out 0 is so in Markdown.
    """
    headers = (
        *("regimen", "distilled source", "original", "seeds", "F1", f"{level:.0%} interval"),
        *(f"difference to original_only ({level:.0%} interval)", "lenient F1", "precision", "recall"),
    )
    return headers, tuple(
        (
            row.regimen,
            NOTHING if row.mix is None else row.mix,
            NOTHING if row.original_size is None else f"{row.original_size:,}",
            str(row.seeds),
            f"{row.f1_mean:.3f}",
            f"{row.f1_low:.3f} to {row.f1_high:.3f}",
            _difference(row, bold),
            NOTHING if row.lenient_mean is None else f"{row.lenient_mean:.3f}",
            f"{row.precision:.3f}",
            f"{row.recall:.3f}",
        )
        for row in rows
    )


def markdown_table(headers: Sequence[str], cells: Sequence[Sequence[str]], *, left: Sequence[str]) -> str:
    """A GitHub table with a newline at the end; the columns named in `left` are aligned so, the others right.

    No cell can break out of it: a pipe is escaped, line breaks become spaces.
    """
    from tabulate import tabulate

    texts = [[_markdown_text(cell) for cell in line] for line in cells]
    alignment = ["left" if header in left else "right" for header in headers]
    # numbers stay the text they are: tabulate would print .810 as 0.81
    return tabulate(texts, headers, tablefmt="github", disable_numparse=True, colalign=alignment) + "\n"


def latex_table(headers: Sequence[str], cells: Sequence[Sequence[str]], *, left: Sequence[str]) -> str:
    """A LaTeX `tabular` with a newline at the end, with the rules of the package booktabs; aligned as in Markdown.

    All text is text: what LaTeX would read as a command is escaped, line breaks become spaces.
    """
    from tabulate import tabulate

    lines = [[_plain(cell) for cell in line] for line in (headers, *cells)]
    alignment = ["left" if header in left else "right" for header in headers]
    table = tabulate(lines[1:], lines[0], tablefmt="latex_booktabs", disable_numparse=True, colalign=alignment)
    return _AFTER_A_LINE.sub(r" {\1}", table) + "\n"


def write_table(table: Table, folder: Path) -> None:
    """Write a report's table as CSV and LaTeX under its name, each atomically.

    The CSV file holds its `records`, at full precision; of a table without any the cells as they are shown, empty where
    they have no value. LaTeX needs `\\usepackage{booktabs}`.
    """
    if table.records:
        write_csv(folder / f"{table.name}.csv", table.records)
    else:
        rows = [[_shown_value(cell) for cell in row] for row in table.rows]
        _write_rows(folder / f"{table.name}.csv", table.headers, rows)
    text = latex_table(table.headers, table.rows, left=table.left)
    write_text(folder / f"{table.name}.tex", f"% {_plain(table.title)}; needs \\usepackage{{booktabs}}\n{text}")


def write_csv(path: Path, rows: Sequence[ResultRow | LabelsRow | AnnotatorRow | Mapping[str, object]]) -> None:
    """Write rows as CSV (UTF-8, header line, full precision), atomically. No rows: an empty file.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers, negative ones too,
    stay as they are. Several values in one cell are separated by spaces. The columns are the keys of all
    rows, in the order they first occur; a key that a row lacks is an empty cell.
    """
    values = [row if isinstance(row, Mapping) else asdict(row) for row in rows]
    columns = list(dict.fromkeys(key for row in values for key in row))
    _write_rows(path, columns, [[row.get(column) for column in columns] for row in values])


def _write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with atomic_writer(path) as stream:
        if not columns:
            return
        # lines end in CR LF, as RFC 4180 says; with LF alone Python 3.11 leaves a CR inside a cell unquoted
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow([_cell(column) for column in columns])
        writer.writerows([_cell(value) for value in row] for row in rows)


def _difference(row: ResultRow, bold: bool) -> str:
    if row.difference is None:
        return NOTHING
    mean, low, high = (_signed(value) for value in row.difference)
    return f"**{mean}** ({low} to {high})" if bold and row.differs else f"{mean} ({low} to {high})"


def _signed(value: float) -> str:
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = " ".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _shown_value(cell: str) -> object:
    """What a cell says: a number where it is one, None for no value."""
    if cell == NOTHING:
        return None
    return float(cell) if _NUMBER.fullmatch(cell) else cell


def _plain(text: str) -> str:
    """A cell of a LaTeX table before its escapes: one line, and nothing that no file of text holds."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _markdown_text(text: str) -> str:
    """A cell's text: a pipe would end the cell, a line break the table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
