"""The grid's scores as a table, a CSV file, JSON lines and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.experiment.annotator_study import score_sources
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.figures import draw_annotators, draw_labels, draw_regimens
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.labels import label_parts
from nerkd_local.experiment.rows import annotator_rows, labels_rows, result_rows, selection_rows
from nerkd_local.experiment.summary import write_summary
from nerkd_local.files import write_json_lines, write_text
from nerkd_local.report.tables import write_csv


def write_results(
    settings: ExperimentSettings, folder: RunFolder, results: Mapping[str, Any], distilled: Mapping[str, int]
) -> str:
    """Write `results/` in the run folder; returns the Markdown summary (also `results/summary.md`).

    `results` are those of the finished students, by name; `distilled` the usable annotated sentences by mix.
    """
    rows = result_rows(settings, folder, results)
    selections = selection_rows(settings, folder, results)
    labels = labels_rows(settings, folder, results)
    annotators = annotator_rows(settings, folder)
    sources = score_sources(settings, folder)
    scores: list[dict[str, Any]] = [
        {"student": name, "evaluation": evaluation, **score}
        for name, result in results.items()
        for evaluation, rows_ in result["scores"].items()
        for score in rows_
    ]
    scores += [{"source": source, **score} for source, rows_ in sources.items() for score in rows_]
    write_json_lines(folder.results / "scores.jsonl", scores)
    write_csv(folder.results / "table.csv", [*rows, *(row for row, _ in selections)])
    wanted = len(list_cells(settings)) + sum(len(names) for _, _, names in label_parts(settings))
    summary = write_summary(
        settings,
        folder,
        rows,
        selections,
        labels,
        annotators,
        sources,
        students=(len(results), wanted),
        machines=sorted({result["cpu"] for result in results.values()}),
    )
    write_text(folder.results / "summary.md", summary)
    if rows:
        draw_regimens(folder.results / "figure.png", settings, rows, distilled, sources)
    if labels:
        draw_labels(folder.results / "labels.png", settings, labels)
    if annotators:
        draw_annotators(folder.results / "annotators.png", settings, annotators)
    return summary
