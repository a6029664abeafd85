"""The grid's scores as a table, a CSV file, JSON lines and one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.annotate.ledger import describe
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.experiment.cells import Cell, read_counts
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import read_json, write_json_lines, write_text
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.schedule import progress
from nerkd_local.report.figures import regimen_figure
from nerkd_local.report.rows import ResultRow
from nerkd_local.report.tables import results_table, write_csv
from nerkd_local.stats.bootstrap import f1_interval

_CURVE_POINTS = 200
_INTERVAL_SEED = 0


def write_results(
    settings: ExperimentSettings,
    folder: RunFolder,
    results: Mapping[Cell, Mapping[str, Any]],
    annotator: Mapping[str, Sequence[Mapping[str, Any]]],
    distilled: int,
) -> str:
    """Write `results/` in the run folder; returns the Markdown summary (also `results/summary.md`).

    `distilled` is the number of usable annotated sentences.
    """
    rows = [_row(settings, folder, results, regimen, size) for regimen, size in _groups(results)]
    scores = [
        {"regimen": cell.regimen, "original_size": cell.original_size, "seed": cell.seed, **score}
        for cell, result in results.items()
        for score in result["scores"]
    ]
    scores += [
        {"annotator": settings.annotator.name, "source": source, **s} for source in annotator for s in annotator[source]
    ]
    write_json_lines(folder.results / "scores.jsonl", scores)
    write_csv(folder.results / "table.csv", rows)
    machines = sorted({result["cpu"] for result in results.values()})
    summary = _summary(settings, folder, rows, annotator, machines)
    write_text(folder.results / "summary.md", summary)
    labelled = [_strict_f1(annotator[source]) for source in annotator]
    reference = labelled[0] if len(labelled) == 1 else None
    regimen_figure(
        rows,
        _schedules(settings, rows, distilled),
        folder.results / "figure.png",
        _caption(settings, distilled, reference is not None),
        annotator_f1=reference,
    )
    return summary


def _groups(results: Mapping[Cell, Mapping[str, Any]]) -> list[tuple[str, int]]:
    return list(dict.fromkeys((cell.regimen, cell.original_size) for cell in results))


def _row(
    settings: ExperimentSettings,
    folder: RunFolder,
    results: Mapping[Cell, Mapping[str, Any]],
    regimen: str,
    size: int,
) -> ResultRow:
    cells = [cell for cell in results if (cell.regimen, cell.original_size) == (regimen, size)]
    interval = f1_interval(read_counts(folder, cells), seed=_INTERVAL_SEED)
    strict = [_score(results[cell]["scores"], "strict") for cell in cells]
    lenient = [_score(results[cell]["scores"], "lenient") for cell in cells]
    return ResultRow(
        regimen=Path(regimen).stem,
        original_size=size,
        seeds=len(cells),
        f1_mean=interval.mean,
        f1_low=interval.low,
        f1_high=interval.high,
        f1_seeds=tuple(score["f1"] for score in strict),
        lenient_mean=_mean([score["f1"] for score in lenient]),
        precision=_mean([score["precision"] for score in strict]),
        recall=_mean([score["recall"] for score in strict]),
    )


def _score(rows: Sequence[Mapping[str, Any]], mode: str) -> Mapping[str, Any]:
    return next(row for row in rows if (row["type"], row["mode"]) == ("micro", mode))


def _strict_f1(rows: Sequence[Mapping[str, Any]]) -> float:
    return float(_score(rows, "strict")["f1"])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _schedules(settings: ExperimentSettings, rows: Sequence[ResultRow], distilled: int) -> dict[str, list[float]]:
    """Each regimen's distilled share over training, at the largest original size where it depends on sizes."""
    largest = max(row.original_size for row in rows)
    curves = {}
    for name in settings.regimens:
        regimen = load_regimen(name, configs_folder("regimens")).resolved(largest, distilled)
        curves[regimen.name] = [float(share) for share in regimen.share(progress(_CURVE_POINTS))]
    return curves


def _caption(settings: ExperimentSettings, distilled: int, reference: bool) -> str:
    annotator_line = "; the annotator's line is its F1 on sentences it labelled, not on these" if reference else ""
    return (
        f"{settings.name}: student {_student_name(settings)}, {settings.training.steps} steps of "
        f"{settings.training.batch_size}; {distilled:,} sentences distilled by {settings.annotator.name}; "
        f"scored on {settings.evaluation.path.name}; intervals over sentences, seeds nested{annotator_line}"
    )


def _student_name(settings: ExperimentSettings) -> str:
    """The end of its path: the folder alone is often called `model`."""
    return "/".join(settings.student.parts[-2:])


def _summary(
    settings: ExperimentSettings,
    folder: RunFolder,
    rows: Sequence[ResultRow],
    annotator: Mapping[str, Sequence[Mapping[str, Any]]],
    machines: Sequence[str],
) -> str:
    report = read_json(folder.preparation)
    original = report["original"]
    lines = [
        f"# {settings.name}",
        "",
        f"Student `{_student_name(settings)}`, {settings.training.steps} steps of {settings.training.batch_size}, "
        f"seeds {', '.join(map(str, settings.seeds))}; scored on {report['evaluation']['sentences']:,} sentences of "
        f"`{settings.evaluation.path.name}`; {'; '.join(machines)}.",
        f"{len(original['also_in_evaluation']):,} original sentences stand in the evaluation corpus too; "
        f"{original['excluded']:,} were excluded.",
        "",
        results_table(rows).rstrip(),
        "",
        "F1, precision and recall are strict (seqeval, IOB2), micro-averaged, means over the seeds. Intervals: "
        "percentile bootstrap over sentences with seeds nested.",
        "",
        f"## Annotator: {settings.annotator.name}",
    ]
    for source in settings.distilled:
        drawn = report["distilled"][source.name]
        lines += [
            "",
            f"**{source.name}**: {len(drawn['also_in_evaluation']):,} of its sentences stand in the evaluation "
            f"corpus, {len(drawn['also_in_original']):,} among the original ones; {drawn['excluded']:,} were excluded.",
            describe(read_json(folder.annotation(source.name) / "ledger.json")),
        ]
        if source.name in annotator:
            score = _score(annotator[source.name], "strict")
            lines.append(
                f"strict F1 against the hidden human labels: {score['f1']:.3f} (precision {score['precision']:.3f}, "
                f"recall {score['recall']:.3f}, {score['support']:,} entities)"
            )
    return "\n".join(lines) + "\n"
