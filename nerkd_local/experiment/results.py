"""The grid's scores as a table, a CSV file, JSON lines and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.experiment.annotator_study import score_sources
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.labels import label_parts
from nerkd_local.experiment.rows import annotator_rows, labels_rows, result_rows, score_row, selection_rows
from nerkd_local.experiment.summary import student_name, write_summary
from nerkd_local.files import write_json_lines, write_text
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.exposure import resolve
from nerkd_local.report.figures import regimen_figure
from nerkd_local.report.labels import annotators_figure, labels_figure
from nerkd_local.report.tables import write_csv

_CURVE_POINTS = 200


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
    reference = score_row(next(iter(sources.values())), "strict")["f1"] if len(sources) == 1 else None
    if rows:
        regimen_figure(
            rows,
            _schedules(settings, distilled),
            folder.results / "figure.png",
            _caption(settings, distilled, reference is not None),
            annotator_f1=reference,
        )
    if labels:
        labels_figure(labels, folder.results / "labels.png", _labels_caption(settings))
    if annotators:
        annotators_figure(annotators, folder.results / "annotators.png", _annotators_caption(settings))
    return summary


def _schedules(settings: ExperimentSettings, distilled: Mapping[str, int]) -> dict[str, list[float]]:
    """Each regimen's distilled share over training; where it depends on sizes, that of the largest original size and
    the first mix."""
    largest, first = max(settings.original.sizes), distilled[settings.all_mixes[0].name]
    curves = {}
    for name in dict.fromkeys(name for mix in settings.all_mixes for name in mix.regimens or settings.regimens):
        regimen = load_regimen(name, configs_folder("regimens"))
        curve = resolve(regimen, largest, first, _CURVE_POINTS).shares(_CURVE_POINTS)
        curves[regimen.name] = [float(share) for share in curve]
    return curves


def _caption(settings: ExperimentSettings, distilled: Mapping[str, int], reference: bool) -> str:
    annotator_line = "; the annotator's line is its F1 on sentences it labelled, not on these" if reference else ""
    sentences = ", ".join(f"{count:,} {mix}" for mix, count in distilled.items())
    by = ", ".join(dict.fromkeys(settings.annotator_of(source.annotator).name for source in settings.distilled))
    scored = settings.evaluation.path.name if settings.evaluation else "the original sentences, by folds"
    return (
        f"{settings.name}: student {student_name(settings)}, {settings.training.steps} steps of "
        f"{settings.training.batch_size}; distilled sentences: {sentences} ({by}); "
        f"scored on {scored}; intervals over documents, seeds nested{annotator_line}"
    )


def _labels_caption(settings: ExperimentSettings) -> str:
    assert settings.label_study is not None
    return (
        f"{settings.name}: the same {settings.label_study.source} sentences with human and with LLM labels; student "
        f"{student_name(settings)}, {settings.training.steps} steps of {settings.training.batch_size}; intervals "
        "over documents, seeds nested"
    )


def _annotators_caption(settings: ExperimentSettings) -> str:
    study = settings.annotator_study
    assert study is not None
    return (
        f"{settings.name}: {settings.annotator_of(study.annotator).name} by prompt and answer format, scored on "
        f"sentences of {study.corpus.path.name}; intervals over documents"
    )
