"""What each student found on its evaluation: read from its predictions, or from the small file kept without text.

A student leaves `predictions-<evaluation>.jsonl`, with the text. `spans.npz` beside its result holds the same mentions
without any: a few tens of kilobytes that may be shared where the corpus may not.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nerkd_local.errors import InputError
from nerkd_local.evaluate.counts import strict_entities
from nerkd_local.evaluate.spans import Entity, SpanTable, join, make_table
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import Line
from nerkd_local.experiment.students import read_counts
from nerkd_local.files import read_lines, write_bytes
from nerkd_local.fingerprints import digest_json
from nerkd_local.records import CONFIDENCES, RAW_TAGS

KEPT = "spans.npz"
_FORMAT = "nerkd spans 1"
_STEPS = 200
"""A confidence is known to 0.005, whichever file it is read from, so that both tell the same; a fifth of the file."""


@dataclass(frozen=True)
class LineSpans:
    """A line's mentions by seed, over the same sentences as its counts; `not_kept` names the students of which neither
    file is there, whose seeds are missing."""

    by_seed: Mapping[int, SpanTable]
    not_kept: tuple[str, ...]


def line_spans(run: Run, line: Line, seeds: Sequence[int] | None = None) -> LineSpans:
    """What the students of a line found; all finished seeds, or those named. Raises InputError as `read_spans` does."""
    found: dict[int, SpanTable] = {}
    missing: list[str] = []
    for seed in run.seeds(line) if seeds is None else seeds:
        absent = [name for name, evaluation in line.parts[seed] if not has_spans(run.folder, name, evaluation)]
        missing += absent
        if not absent:
            parts = line.parts[seed]
            found[seed] = join([read_spans(run.folder, name, which, run.results[name]) for name, which in parts])
    return LineSpans(found, tuple(dict.fromkeys(missing)))


def has_spans(folder: RunFolder, name: str, evaluation: str) -> bool:
    """Whether a student's mentions can be read."""
    return _predictions(folder, name, evaluation).exists() or (folder.student(name) / KEPT).exists()


def read_spans(folder: RunFolder, name: str, evaluation: str, result: Mapping[str, Any]) -> SpanTable:
    """A student's mentions on one of its evaluations, confidences to 0.005.

    `result` is the student's (result.json). The mentions are read as the strict scorer reads them, and their number is
    checked against the counts of every sentence. Raises InputError for files that are damaged, are those of another
    student, or do not fit the counts, with the line where there is one.
    """
    predictions = _predictions(folder, name, evaluation)
    if predictions.exists():
        counts = read_counts(folder, name, evaluation)[:, 1]
        table = make_table(*_split(_read_predictions(predictions, counts)))
    else:
        table = _read_kept(folder.student(name) / KEPT, evaluation, result)
        counts = read_counts(folder, name, evaluation)[:, 1]
        if not np.array_equal(np.bincount(table.sentence, minlength=table.sentences), counts):
            raise InputError("does not fit the student's counts.npz; copy both again", path=folder.student(name) / KEPT)
    return table


def write_spans(folder: RunFolder, name: str, result: Mapping[str, Any], path: Path) -> None:
    """Write all that a student found to `path`, without text: sentence, borders, label, confidence.

    Raises InputError as `read_spans` does.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array(_FORMAT),
        "made_from": np.array(digest_json(result["made_from"])),
    }
    for evaluation in result["scores"]:
        table = read_spans(folder, name, evaluation, result)
        sure = np.where(np.isnan(table.confidence), _STEPS + 1, np.rint(table.confidence * _STEPS))
        columns = {
            "mentions": np.bincount(table.sentence, minlength=table.sentences),  # by sentence
            "start": table.start,
            "length": table.end - table.start,
            "label": table.label,
            "confidence": sure,
        }
        arrays |= {f"{evaluation}.{column}": _small(values) for column, values in columns.items()}
        arrays[f"{evaluation}.labels"] = np.array(table.labels, np.str_)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_bytes(path, packed.getvalue())


def _predictions(folder: RunFolder, name: str, evaluation: str) -> Path:
    return folder.student(name) / f"predictions-{evaluation}.jsonl"


Row = tuple[list[Entity], list[float | None]]


def _split(rows: Sequence[Row]) -> tuple[list[list[Entity]], list[list[float | None]]]:
    return [entities for entities, _ in rows], [sure for _, sure in rows]


def _read_predictions(path: Path, counts: npt.NDArray[np.int64]) -> list[Row]:
    """Each sentence's mentions and confidences. Only what is needed is checked: a grid has hundreds of such files."""
    rows: list[Row] = []
    line = 0
    for line, text in read_lines(path):
        row = _mentions(text, path, line)
        if len(rows) >= len(counts) or len(row[0]) != counts[len(rows)]:
            raise InputError("is not what the student's counts.npz was made of", path=path, line=line)
        rows.append(row)
    if len(rows) != len(counts):
        raise InputError(f"ends after {len(rows):,} of {len(counts):,} sentences", path=path, line=line)
    return rows


def _mentions(text: str, path: Path, line: int) -> Row:
    try:
        meta = json.loads(text)["meta"]
        # raw tags, as scored: spans would do as well, but for their offsets in characters
        entities = sorted(strict_entities(meta[RAW_TAGS]))
        sure = [_rounded(value) for value in meta.get(CONFIDENCES, [None] * len(entities))]
        if len(sure) != len(entities):
            raise ValueError(f"{len(sure)} confidences for {len(entities)} mentions")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"is no line of a student's predictions ({type(error).__name__}: {error}); predict again, or remove the "
            "student's folder and run again",
            path=path,
            line=line,
        ) from None
    return entities, sure


def _rounded(confidence: Any) -> float | None:
    if confidence is None:
        return None
    if not 0 <= confidence <= 1:
        raise ValueError(f"a confidence of {confidence}")
    return float(round(confidence * _STEPS) / _STEPS)


def _small(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same whole numbers in the narrowest type that holds them."""
    most = int(values.max(initial=0))
    return values.astype(np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.uint32)


def _read_kept(path: Path, evaluation: str, result: Mapping[str, Any]) -> SpanTable:
    try:
        # opened here: numpy leaves a file open that is no whole archive
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            if str(arrays["format"]) != _FORMAT:
                raise ValueError(f"is not in the format {_FORMAT!r}")
            if str(arrays["made_from"]) != digest_json(result["made_from"]):
                raise ValueError("is of another student than the result.json beside it")
            mentions, start, length, label, sure = (
                arrays[f"{evaluation}.{column}"].astype(np.int64) for column in _COLUMNS
            )
            labels = tuple(map(str, arrays[f"{evaluation}.labels"]))
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        problem = str(error).strip("'\"") or type(error).__name__
        raise InputError(f"cannot be read ({problem}); copy it again", path=path) from None
    columns = (start, length, label, sure)
    if (
        any(column.ndim != 1 for column in (mentions, *columns))
        or {len(column) for column in columns} != {int(mentions.sum())}
        or (len(label) and not (label.max() < len(labels) and length.min() > 0 and sure.max() <= _STEPS + 1))
    ):
        raise InputError("cannot be read (its columns do not fit together); copy it again", path=path)
    return SpanTable(
        np.repeat(np.arange(len(mentions)), mentions),
        start,
        start + length,
        label,
        np.where(sure > _STEPS, np.nan, sure / _STEPS),
        labels,
        len(mentions),
    )


_COLUMNS = ("mentions", "start", "length", "label", "confidence")
