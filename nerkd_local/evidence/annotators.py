"""How far an annotator's labels can be trusted: against human labels that no student reads, by source and type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError
from nerkd_local.evaluate.calibration import Calibration, collect_spans, load_calibration
from nerkd_local.evaluate.counts import check_tags, strict_entities
from nerkd_local.evidence.confidences import ConfidenceReport
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.annotator_study import score_sources
from nerkd_local.experiment.intervals import RESAMPLING_SEED, documents_of
from nerkd_local.files import read_json, read_json_lines
from nerkd_local.records import Document
from nerkd_local.stats.bootstrap import Interval, f1_interval

ALL = "all types"


@dataclass(frozen=True, slots=True)
class TypeScore:
    """Strict scores of one source's annotation, of one type or of all. `sentences` and `f1` are None where the run was
    kept without its texts: then only the scores that it wrote down are known. `support`: human entities."""

    source: str
    type: str
    sentences: int | None
    f1: Interval | None
    f1_mean: float
    precision: float
    recall: float
    support: int


def source_scores(run: Run) -> Mapping[str, list[dict[str, Any]]]:
    """Score rows by distilled source, for those with human labels: from the texts, or else as the run's results hold
    them."""
    scored = score_sources(run.settings, run.folder)
    if scored:
        return scored
    kept: dict[str, list[dict[str, Any]]] = {}
    for path in (run.folder.results / "scores.jsonl", run.folder.root / "scores.jsonl"):
        if path.exists():
            for line, row in read_json_lines(path):
                if "source" not in row:
                    continue
                if not {"type", "mode", "f1", "precision", "recall", "support"} <= row.keys():
                    raise InputError("is no score of a distilled source", path=path, line=line)
                kept.setdefault(str(row["source"]), []).append(row)
            break
    return kept


def type_scores(run: Run) -> list[TypeScore]:
    """For each distilled source with human labels its scores over all types, then by type.

    Intervals: bootstrap over documents. A sentence without a usable answer counts as one without mentions.
    """
    found = []
    for source in run.settings.distilled:
        human, given = _files(run, source.name)
        if human.exists() and given.exists():
            gold, labelled = ([spans_to_tags(d) for d in read_documents(path)] for path in (human, given))
            found += _scores(source.name, gold, labelled, documents_of((human,)))
    return found or [
        TypeScore(
            source,
            ALL if row["type"] == "micro" else str(row["type"]),
            None,
            None,
            row["f1"],
            row["precision"],
            row["recall"],
            row["support"],
        )
        for source, rows in source_scores(run).items()
        for row in rows
        if row["mode"] == "strict" and row["type"] != "macro"
    ]


def ledgers(run: Run) -> dict[str, Mapping[str, Any]]:
    """What became of each source's sentences and mentions (`annotate.ledger`), where it is there."""
    paths = {source.name: run.folder.annotation(source.name) / "ledger.json" for source in run.settings.distilled}
    return {name: read_json(path) for name, path in paths.items() if path.exists()}


def source_confidences(run: Run) -> dict[str, ConfidenceReport]:
    """For each distilled source with human labels and confidences, what those are worth; with the run's calibration,
    where its selection made one."""
    found = {}
    for source in run.settings.distilled:
        human, path = _files(run, source.name)
        if not human.exists() or not path.exists():
            continue
        answers = {document.id: document for document in read_documents(path)}
        pairs: list[tuple[Document, Document]] = [(gold, answers[gold.id]) for gold in read_documents(human)]
        try:
            spans = collect_spans(pairs, _calibration(run, source.annotator))
        except InputError as error:
            raise InputError(error.problem, path=path) from None
        if spans is not None and spans.right:
            found[source.name] = ConfidenceReport(spans)
    return found


def _files(run: Run, source: str) -> tuple[Path, Path]:
    """A source's human labels that no student reads, and its annotation."""
    return run.folder.hidden(source), run.folder.annotation(source) / "annotations.jsonl"


def _calibration(run: Run, annotator: str | None) -> Calibration | None:
    path = run.folder.calibration(annotator) / "calibration.json"
    return load_calibration(path) if path.exists() else None


def _scores(source: str, gold: list[list[str]], given: list[list[str]], documents: Any) -> list[TypeScore]:
    check_tags(gold, given)
    pairs = [(strict_entities(true), strict_entities(found)) for true, found in zip(gold, given, strict=True)]
    labels = sorted({label for pair in pairs for side in pair for _, _, label in side})
    scores = []
    for label in (None, *labels):
        counts = np.zeros((1, len(pairs), 3), np.int64)
        for row, (true, found) in zip(counts[0], pairs, strict=True):
            ours, theirs = (_of(label, side) for side in (true, found))
            row[:] = len(ours & theirs), len(theirs), len(ours)
        correct, predicted, support = counts[0].sum(axis=0).tolist()
        interval = f1_interval(counts, groups=documents, seed=RESAMPLING_SEED)
        precision, recall = correct / max(predicted, 1), correct / max(support, 1)
        scores.append(TypeScore(source, label or ALL, len(pairs), interval, interval.mean, precision, recall, support))
    return scores


def _of(label: str | None, entities: set[tuple[int, int, str]]) -> set[tuple[int, int, str]]:
    return entities if label is None else {entity for entity in entities if entity[2] == label}
