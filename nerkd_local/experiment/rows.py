"""From the students' counts to the rows of the report: scores, intervals, differences to original_only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.experiment.annotator_study import score_annotations, study_annotators
from nerkd_local.experiment.cells import EVALUATION
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.intervals import RESAMPLING_SEED, documents_of
from nerkd_local.experiment.labels import label_parts
from nerkd_local.experiment.lines import Counts, Line, evaluation_files, line_counts, list_lines
from nerkd_local.experiment.selection import Selection, select_regimen
from nerkd_local.experiment.students import read_counts
from nerkd_local.files import read_json
from nerkd_local.report.rows import AnnotatorRow, LabelsRow, ResultRow
from nerkd_local.stats.bootstrap import Interval, f1_difference, f1_interval, micro_f1

BASELINE = "original_only"
"""The regimen that differences are taken to: what the human labels alone give."""


Documents: TypeAlias = Callable[[int], npt.NDArray[np.int64]]
"""The document of each sentence that a size's lines are scored on, as a number; shape (sentences,)."""


def result_rows(
    settings: ExperimentSettings, folder: RunFolder, results: Mapping[str, Any], documents: Documents | None = None
) -> list[ResultRow]:
    """One row for every line of the grid with a finished student. Without `documents`, the corpora say them."""
    documents = documents or _documents_of(settings, folder)
    lines = list_lines(settings)
    baselines = {line.size: line for line in lines if line.regimen == BASELINE}
    rows = []
    for line in lines:
        seeds = line.finished(results)
        if not seeds:
            continue
        groups = documents(line.size)
        difference = _difference(line, baselines.get(line.size), folder, results, groups)
        lenient = [_lenient_f1(line, seed, results) for seed in seeds]
        counts = line_counts(line, seeds, folder)
        rows.append(_row(line.regimen, line.mix, line.size, counts, groups, difference, sum(lenient) / len(seeds)))
    return rows


def selection_rows(
    settings: ExperimentSettings, folder: RunFolder, results: Mapping[str, Any], documents: Documents | None = None
) -> list[tuple[ResultRow, Selection]]:
    """With nested folds, what choosing the best regimen gives, by size; only where all students are there."""
    if settings.folds is None or not settings.folds.nested:
        return []
    documents = documents or _documents_of(settings, folder)
    rows = []
    for size in sorted(set(settings.original.sizes)):
        lines = [line for line in list_lines(settings) if line.size == size]
        selection = select_regimen(lines, settings.folds.count, folder, results)
        if selection is None:
            continue
        groups = documents(size)
        baseline = next((line for line in lines if line.regimen == BASELINE), None)
        difference = None
        if baseline is not None:
            theirs = line_counts(baseline, selection.seeds, folder)
            difference = f1_difference(selection.counts, theirs, groups=groups, seed=RESAMPLING_SEED)
        row = _row("chosen on inner folds", None, size, selection.counts, groups, difference, None)
        rows.append((row, selection))
    return rows


def labels_rows(
    settings: ExperimentSettings, folder: RunFolder, results: Mapping[str, Any], documents: Documents | None = None
) -> list[LabelsRow]:
    """The label study: students on the same sentences with human and with LLM labels, by size."""
    documents = documents or _documents_of(settings, folder)
    rows = []
    for labels, size, names in label_parts(settings):
        done = [name for name in names if name in results]
        if done:
            counts = _stack(folder, done)
            interval = f1_interval(counts, groups=documents(size), seed=RESAMPLING_SEED)
            rows.append(
                LabelsRow(
                    labels, size, len(done), interval.mean, interval.low, interval.high, tuple(_f1_of_each(counts))
                )
            )
    return rows


def annotator_rows(settings: ExperimentSettings, folder: RunFolder) -> list[AnnotatorRow]:
    """The annotator study: strict F1 by prompt and answer format, with intervals over documents."""
    rows = []
    for asked in study_annotators(settings):
        here = folder.study_annotation(asked.prompt, asked.format)
        gold, given = (
            [spans_to_tags(d) for d in read_documents(file)] for file in (folder.study, here / "annotations.jsonl")
        )
        counts = sentence_counts(gold, given)[None]
        interval = f1_interval(counts, groups=documents_of((folder.study,)), seed=RESAMPLING_SEED)
        strict = score_row(score_annotations([folder.study], [here / "annotations.jsonl"]), "strict")
        rows.append(
            AnnotatorRow(
                annotator=asked.name,
                prompt=asked.prompt,
                format=asked.format,
                sentences=len(gold),
                f1=interval.mean,
                low=interval.low,
                high=interval.high,
                precision=strict["precision"],
                recall=strict["recall"],
                output_tokens=read_json(here / "ledger.json")["output_tokens"],
            )
        )
    return rows


def _documents_of(settings: ExperimentSettings, folder: RunFolder) -> Documents:
    return lambda size: documents_of(evaluation_files(settings, folder, size))


def score_row(rows: Sequence[Mapping[str, Any]], mode: str) -> Mapping[str, Any]:
    """The micro-averaged one of a corpus's score rows, read strictly or leniently."""
    return next(row for row in rows if (row["type"], row["mode"]) == ("micro", mode))


def _difference(
    line: Line, baseline: Line | None, folder: RunFolder, results: Mapping[str, Any], groups: Any
) -> Interval | None:
    """To the baseline of the same size, over the seeds that both have."""
    if baseline is None or line is baseline:
        return None
    finished = baseline.finished(results)
    seeds = [seed for seed in line.finished(results) if seed in finished]
    if not seeds:
        return None
    mine, theirs = line_counts(line, seeds, folder), line_counts(baseline, seeds, folder)
    return f1_difference(mine, theirs, groups=groups, seed=RESAMPLING_SEED)


def _row(
    regimen: str,
    mix: str | None,
    size: int,
    counts: Counts,
    groups: Any,
    difference: Interval | None,
    lenient: float | None,
) -> ResultRow:
    interval = f1_interval(counts, groups=groups, seed=RESAMPLING_SEED)
    totals = counts.sum(axis=1)  # shape (seeds, 3)
    return ResultRow(
        regimen=regimen,
        mix=mix,
        original_size=size,
        seeds=len(counts),
        f1_mean=interval.mean,
        f1_low=interval.low,
        f1_high=interval.high,
        f1_seeds=tuple(_f1_of_each(counts)),
        difference_mean=difference.mean if difference else None,
        difference_low=difference.low if difference else None,
        difference_high=difference.high if difference else None,
        lenient_mean=lenient,
        precision=float((totals[:, 0] / totals[:, 1].clip(1)).mean()),
        recall=float((totals[:, 0] / totals[:, 2].clip(1)).mean()),
    )


def _f1_of_each(counts: Counts) -> list[float]:
    """Each seed's F1 over all sentences."""
    return [float(value) for value in micro_f1(counts.sum(axis=1))]


def _lenient_f1(line: Line, seed: int, results: Mapping[str, Any]) -> float:
    """Of one seed; with folds the mean of the folds'."""
    parts = line.parts[seed]
    values = [score_row(results[name]["scores"][evaluation], "lenient")["f1"] for name, evaluation in parts]
    return float(sum(values) / len(values))


def _stack(folder: RunFolder, names: Sequence[str]) -> Counts:
    return np.stack([read_counts(folder, name, EVALUATION) for name in names])
