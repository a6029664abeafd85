"""An experiment's figures: what is drawn of its rows, and what is written below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.experiment.rows import score_row
from nerkd_local.experiment.summary import student_name
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.exposure import resolve
from nerkd_local.report.figures import regimen_figure
from nerkd_local.report.labels import annotators_figure, labels_figure
from nerkd_local.report.rows import AnnotatorRow, LabelsRow, ResultRow

_CURVE_POINTS = 200


def draw_regimens(
    path: Path,
    settings: ExperimentSettings,
    rows: Sequence[ResultRow],
    distilled: Mapping[str, int],
    sources: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """F1 by regimen, as PNG or SVG. `distilled`: the usable annotated sentences by mix, as far as they are known;
    `sources`: the annotator's score rows by distilled source, where there are human labels."""
    reference = score_row(next(iter(sources.values())), "strict")["f1"] if len(sources) == 1 else None
    caption = _regimens_caption(settings, distilled, reference is not None)
    regimen_figure(rows, _schedules(settings, distilled), path, caption, annotator_f1=reference)


def draw_labels(path: Path, settings: ExperimentSettings, rows: Sequence[LabelsRow]) -> None:
    """The label study, as PNG or SVG."""
    assert settings.label_study is not None
    caption = (
        f"{settings.name}: the same {settings.label_study.source} sentences with human and with LLM labels; student "
        f"{student_name(settings)}, {settings.training.steps} steps of {settings.training.batch_size}; intervals "
        "over documents, seeds nested"
    )
    labels_figure(rows, path, caption)


def draw_annotators(path: Path, settings: ExperimentSettings, rows: Sequence[AnnotatorRow]) -> None:
    """The annotator study, as PNG or SVG."""
    study = settings.annotator_study
    assert study is not None
    caption = (
        f"{settings.name}: {settings.annotator_of(study.annotator).name} by prompt and answer format, scored on "
        f"sentences of {study.corpus.path.name}; intervals over documents"
    )
    annotators_figure(rows, path, caption)


def _schedules(settings: ExperimentSettings, distilled: Mapping[str, int]) -> dict[str, list[float]]:
    """Each regimen's distilled share over training; where it depends on sizes, that of the largest original size and
    the first mix."""
    largest, first = max(settings.original.sizes), next(iter(distilled.values()), 0)
    curves = {}
    for name in dict.fromkeys(name for mix in settings.all_mixes for name in mix.regimens or settings.regimens):
        regimen = load_regimen(name, configs_folder("regimens"))
        curve = resolve(regimen, largest, first, _CURVE_POINTS).shares(_CURVE_POINTS)
        curves[regimen.name] = [float(share) for share in curve]
    return curves


def _regimens_caption(settings: ExperimentSettings, distilled: Mapping[str, int], reference: bool) -> str:
    annotator_line = "; the annotator's line is its F1 on sentences it labelled, not on these" if reference else ""
    amounts: dict[str, list[str]] = {}
    for mix in settings.all_mixes:
        if mix.name in distilled:
            amounts.setdefault(mix.whole_name, []).append(f"{distilled[mix.name]:,}")
    sentences = ", ".join(f"{' / '.join(counts)} {mix}" for mix, counts in amounts.items())
    by = ", ".join(dict.fromkeys(settings.annotator_of(source.annotator).name for source in settings.distilled))
    scored = settings.evaluation.path.name if settings.evaluation else "the original sentences, by folds"
    return (
        f"{settings.name}: student {student_name(settings)}, {settings.training.steps} steps of "
        f"{settings.training.batch_size}; distilled sentences: {sentences or 'none'} ({by}); "
        f"scored on {scored}; intervals over documents, seeds nested{annotator_line}"
    )
