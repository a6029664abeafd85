"""F1 by regimen: the figure and the table of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from nerkd_local.evidence.annotators import source_scores
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.figures import draw_regimens
from nerkd_local.experiment.rows import BASELINE, result_rows, selection_rows
from nerkd_local.report.parts import Figure, Part, Section, Table
from nerkd_local.report.rows import ResultRow
from nerkd_local.report.tables import results_cells

KEY, TITLE = "regimens", "F1 by regimen"


def section(run: Run) -> Section:
    """The figure of F1 by regimen, and the table."""
    rows = result_rows(run.settings, run.folder, run.results, run.documents)
    if not rows:
        return Section(KEY, TITLE, "No line of the experiment's grid has a finished student.")
    chosen = [row for row, _ in selection_rows(run.settings, run.folder, run.results, run.documents)]
    figure = Figure(
        "regimens",
        "F1 by regimen",
        "",
        "Strict F1 of every regimen with its interval, by the number of original sentences; the numbers are in the "
        "table below.",
        partial(
            draw_regimens,
            settings=run.settings,
            rows=rows,
            distilled=distilled_sentences(run),
            sources=source_scores(run),
        ),
    )
    parts: list[Part] = [figure, _table([*rows, *chosen])]
    return Section(KEY, TITLE, _lead(run, rows, bool(chosen)), tuple(parts))


def distilled_sentences(run: Run) -> dict[str, int]:
    """The usable annotated sentences of each mix that a finished student was trained on, from the students' results: so
    many examples in so many passes."""
    sizes = {}
    mixes = {cell.name: cell.mix for cell in list_cells(run.settings)}
    for name, result in run.results.items():
        mix = mixes.get(name)
        if mix is not None and result["passes"]["distilled"]:
            sizes[mix] = round(result["examples"]["distilled"] / result["passes"]["distilled"])
    return {mix.name: sizes[mix.name] for mix in run.settings.all_mixes if mix.name in sizes}


def _lead(run: Run, rows: Sequence[ResultRow], chosen: bool) -> str:
    lead = (
        "Strict micro F1 (IOB2, as seqeval has it), means over the seeds. Intervals: percentile bootstrap over "
        "documents with the seeds nested."
    )
    if any(row.difference is not None for row in rows):
        lead += (
            f" Differences are to {BASELINE} with as many original sentences, paired by document and seed; their "
            "intervals are not corrected for the number of regimens tried."
        )
    if chosen:
        lead += " The row chosen on inner folds is what choosing the best regimen promises on other documents."
    return lead


def _table(rows: Sequence[ResultRow]) -> Table:
    headers, cells = results_cells(rows)
    return Table(
        "results",
        "Results",
        headers,
        cells,
        left=(*headers[:2], headers[5], headers[6]),
        caption="Lenient F1 lets a stray I- tag begin an entity. A dash: there is none.",
        records=tuple(asdict(row) for row in rows),
    )
