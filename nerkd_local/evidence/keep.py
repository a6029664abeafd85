"""A run's results without anybody's text: what may be committed and shared where the corpora may not.

DEST is again a folder that `open_run` opens. It holds

settings.yaml    with machine paths neutralised: an absolute path is its last two parts, a server's name is gone
documents.npz    which document each evaluation sentence is of, as numbers
cells/*/         result.json, counts.npz, evidence.jsonl, done.json or trained.json where they are, and packed:
                 spans.npz   where the student found what (see `predictions`)
                 course.npz  what it was shown and how it went (see `courses`)
corpus/preparation.json, annotations/*/{ledger.json,speed.jsonl}   what was counted and left out, and what it took
*                tables and figures of the run's results/

Sentences are named by ids and numbers alone, and human labels are not among it: of the evaluation corpus there is how
many entities each sentence has. What a corpus calls its sentences (ids) stands in preparation.json.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal
from urllib.parse import urlsplit

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.errors import InputError
from nerkd_local.evidence.courses import COURSE, read_course, write_course
from nerkd_local.evidence.documents import documents_file, write_document_numbers
from nerkd_local.evidence.predictions import KEPT, has_spans, write_spans
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import Line
from nerkd_local.files import read_json, write_bytes, write_json
from nerkd_local.settings import save_settings

SpansKept = Literal["all", "one", "none"]
_CELL = ("result.json", "counts.npz", "evidence.jsonl", "done.json", "trained.json")
_ANNOTATION = ("ledger.json", "speed.jsonl")
_RESULTS = ("summary.md", "table.csv", "scores.jsonl", "figure.png", "figure.svg", "labels.png", "annotators.png")
"""By name: whatever else somebody put there may hold text."""
_LOOPBACK = "http://127.0.0.1:8000/v1"


@dataclass(frozen=True, slots=True)
class Account:
    """What was kept: students, and how many of them with their mentions and their course; bytes in all."""

    students: int
    spans: int
    courses: int
    size: int


def keep_results(run: Run, target: Path, *, spans: SpansKept = "all") -> Account:
    """Write a run's results to the folder `target`, which may hold an earlier copy: what is the run's is written anew.

    `spans`: of all students, of one seed a line (that with the smallest number), or of none. Raises InputError for a
    target inside the run folder or around it, or that is itself a run folder with corpora, and for files of the run
    that are damaged.
    """
    here, there = run.folder.root.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise InputError(f"is, holds or is inside the run folder {run.folder.root}; name another", path=target)
    kept = RunFolder(target)
    if any(kept.corpus.glob("*.jsonl")):
        raise InputError("is a run folder with corpora, not one of kept results; name another", path=target)
    save_settings(neutral_settings(run.settings), kept.settings)
    write_document_numbers(run.settings, run.folder, documents_file(kept))
    for pattern in _RESULTS:
        for source in run.folder.results.glob(pattern):
            _copy(source, target / source.name)
    if run.folder.preparation.exists():
        write_json(kept.preparation, _neutral(read_json(run.folder.preparation)))
    for source in _annotation_files(run.folder):
        copy = kept.root / source.relative_to(run.folder.root)
        if source.suffix == ".json":
            # a server can call its model by the path that it was loaded from
            write_json(copy, _neutral(read_json(source)))
        else:
            _copy(source, copy)
    shutil.rmtree(kept.root / "cells", ignore_errors=True)
    wanted = _with_spans(run, spans)
    with_spans = with_course = 0
    for name, result in run.results.items():
        for file in _CELL:
            if (run.folder.student(name) / file).exists():
                _copy(run.folder.student(name) / file, kept.student(name) / file)
        if name in wanted and all(has_spans(run.folder, name, evaluation) for evaluation in result["scores"]):
            write_spans(run.folder, name, result, kept.student(name) / KEPT)
            with_spans += 1
        course = read_course(run.folder.student(name))
        if course is not None:
            write_course(course, kept.student(name) / COURSE)
            with_course += 1
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return Account(len(run.results), with_spans, with_course, size)


def neutral_settings(settings: ExperimentSettings) -> ExperimentSettings:
    """The same settings without what belongs to a machine: absolute paths, and the names of servers."""
    values = _neutral(settings.model_dump())
    return ExperimentSettings.model_validate(values | {"output": Path("run")})


def _neutral(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _neutral_url(inner) if key == "base_url" else _neutral(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_neutral(inner) for inner in value]
    if isinstance(value, PurePath) or (isinstance(value, str) and value.startswith("/") and "\n" not in value):
        path = PurePath(value)
        return "/".join(path.parts[-2:]).lstrip("/") or "." if path.is_absolute() else str(value)
    return value


def _neutral_url(url: Any) -> Any:
    if not isinstance(url, str) or urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"):
        return url
    return _LOOPBACK


def _annotation_files(folder: RunFolder) -> Iterator[Path]:
    """Those of every annotation: sources, studies, calibrations."""
    for name in _ANNOTATION:
        yield from sorted((folder.root / "annotations").glob(f"*/{name}"))


def _with_spans(run: Run, spans: SpansKept) -> frozenset[str]:
    """The students whose mentions are kept."""
    if spans == "all":
        return frozenset(run.results)
    if spans == "none":
        return frozenset()
    return frozenset(name for line in run.lines for name, _ in _first(run, line))


def _first(run: Run, line: Line) -> tuple[tuple[str, str], ...]:
    return line.parts[min(run.seeds(line))]


def _copy(source: Path, target: Path) -> None:
    write_bytes(target, source.read_bytes())
