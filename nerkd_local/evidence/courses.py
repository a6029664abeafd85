"""What students were shown and how it went, step by step: read from their ledgers, and kept small and without text.

A student's folder has the exposure ledger that training wrote (`train.exposure`), or, where a run was kept without its
texts and ids, `course.npz`: the same numbers, packed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from nerkd_local.errors import InputError
from nerkd_local.evidence.run import Run
from nerkd_local.files import read_json_lines, write_bytes
from nerkd_local.regimen.schedule import Regimen
from nerkd_local.train.folder import TrainFolder

Counts: TypeAlias = npt.NDArray[np.int64]
Reals: TypeAlias = npt.NDArray[np.float32]

COURSE = "course.npz"
_VERSION = "nerkd course 1"
_SOURCES = ("original", "distilled")


@dataclass(frozen=True, eq=False)
class Course:
    """One student's training. Columns are the sources: original, distilled.

    Numbers with a fraction have float32's seven digits, wherever they were read from, so that what is drawn of a kept
    course is what was drawn of its ledger.
    """

    examples: Counts
    """Sentences shown by step, repeats counted. Shape: (steps, 2)."""
    words: Counts
    """Labelled words of these. Shape: (steps, 2)."""
    tokens: Counts
    """Their tokens, padding not counted. Shape: (steps, 2)."""
    learning_rate: Reals
    """Shape: (steps,)."""
    loss: Reals
    """Mean loss a word; NaN where a source had no word in the step. Shape: (steps, 2)."""
    planned: Reals | None
    """w(t), the distilled share that the schedule asks for at each step, an adaptive regimen's prior. None where the
    plan is not there. Shape: (steps,)."""
    evaluated: Counts
    """After how many steps the student was scored on the way; shape (evaluations,), often empty."""
    scores: Reals
    """Precision, recall and F1 of these. Shape: (evaluations, 3)."""

    @property
    def share(self) -> npt.NDArray[np.float64]:
        """The distilled part of each step's examples. Shape: (steps,)."""
        return cast("npt.NDArray[np.float64]", self.examples[:, 1] / self.examples.sum(axis=1).clip(1))

    @property
    def exposure(self) -> float:
        """W as it came out: the distilled part of all examples."""
        return float(self.examples[:, 1].sum() / max(int(self.examples.sum()), 1))

    @property
    def planned_exposure(self) -> float | None:
        """W as planned: the mean of the schedule's share."""
        return None if self.planned is None else float(self.planned.mean(dtype=np.float64))


def read_course(folder: Path) -> Course | None:
    """The course of the student in that folder; None where neither a ledger nor a kept course is there.

    Raises InputError for a file that is neither, with the line where there is one.
    """
    ledger = TrainFolder(folder).exposure.path
    if ledger.exists():
        return _from_ledger(folder, ledger)
    kept = folder / COURSE
    return _from_kept(kept) if kept.exists() else None


def write_course(course: Course, path: Path) -> None:
    """Write it atomically, a few kilobytes without ids or text. The same course gives the same bytes."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "version": np.array(_VERSION),
        **{name: getattr(course, name).astype(_small(getattr(course, name))) for name in _WHOLE},
        **{name: getattr(course, name) for name in ("learning_rate", "loss", "scores")},
    }
    if course.planned is not None:
        arrays["planned"] = course.planned
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_bytes(path, packed.getvalue())


def courses_of(run: Run) -> dict[str, Course]:
    """The courses of a run's finished students, by name, as far as they are known.

    A student that was the same as an earlier one under another name was not trained again and has no ledger of its own:
    it has the other's course.
    """
    found = {name: read_course(run.folder.student(name)) for name in run.results}
    trained: dict[str, Course] = {}
    for name, course in found.items():
        if course is not None:
            trained.setdefault(_training(run.results[name]), course)
    return {
        name: course
        for name in found
        if (course := found[name] or trained.get(_training(run.results[name]))) is not None
    }


_WHOLE = ("examples", "words", "tokens", "evaluated")


def _training(result: Mapping[str, Any]) -> str:
    """What it was trained on, as text: equal for twins."""
    return repr(result["made_from"]["training"])


def _small(values: npt.NDArray[np.int64]) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if not values.size or int(values.max()) < 2**16 else np.uint32


def _from_ledger(folder: Path, ledger: Path) -> Course:
    steps: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], float, tuple[float, ...]]] = []
    for line, row in read_json_lines(ledger):
        try:
            if row["step"] != len(steps):
                raise ValueError("a step is missing")
            sources = [row[source] for source in _SOURCES]
            examples, words, tokens = (
                tuple(of(source) for source in sources)
                for of in (lambda each: len(each["ids"]), lambda each: int(each["words"]), lambda each: each["tokens"])
            )
            loss = tuple(np.nan if source["loss"] is None else float(source["loss"]) for source in sources)
            steps.append((examples, words, tokens, float(row["learning_rate"]), loss))
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"is not step {len(steps)} of an exposure ledger; train the student again", path=ledger, line=line
            ) from None
    if not steps:
        raise InputError("holds no step; train the student again", path=ledger)
    examples, words, tokens, rates, losses = zip(*steps, strict=True)
    log = TrainFolder(folder).evaluations.path
    scored = [row for _, row in read_json_lines(log)] if log.exists() else []
    try:
        evaluated = np.array([row["step"] for row in scored], np.int64)
        scores = np.array([[row[name] for name in ("precision", "recall", "f1")] for row in scored], np.float32)
    except (KeyError, TypeError, ValueError):
        raise InputError("is no log of evaluations; train the student again", path=log) from None
    return Course(
        examples=np.array(examples, np.int64),
        words=np.array(words, np.int64),
        tokens=np.array(tokens, np.int64),
        learning_rate=np.array(rates, np.float32),
        loss=np.array(losses, np.float32),
        planned=_planned(folder / "plan.jsonl", len(steps)),
        evaluated=evaluated,
        scores=scores.reshape(-1, 3),
    )


def _planned(plan: Path, steps: int) -> Reals | None:
    """The shares of the schedule that the plan's first line records; its other lines are not read."""
    if not plan.exists():
        return None
    _, header = next(read_json_lines(plan), (1, {}))
    try:
        return Regimen.model_validate(header["regimen"]).shares(steps).astype(np.float32)
    except (KeyError, ValidationError):
        raise InputError("names no regimen in its first line; build the plan again", path=plan, line=1) from None


def _from_kept(path: Path) -> Course:
    try:
        # numpy leaves a file that it opens itself open where it is no whole archive
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if str(found["version"]) != _VERSION:
            raise InputError(f"is not of the kind {_VERSION!r}; keep the run again with this version", path=path)
        course = Course(
            **{name: found[name].astype(np.int64) for name in _WHOLE},
            **{name: found[name].astype(np.float32) for name in ("learning_rate", "loss", "scores")},
            planned=found["planned"].astype(np.float32) if "planned" in found else None,
        )
        steps = len(course.learning_rate)
        pairs = [getattr(course, name).shape for name in ("examples", "words", "tokens", "loss")]
        if pairs != [(steps, 2)] * 4 or course.scores.shape != (len(course.evaluated), 3) or steps == 0:
            raise ValueError("the arrays do not fit together")
        if course.planned is not None and course.planned.shape != (steps,):
            raise ValueError("the arrays do not fit together")
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile):
        raise InputError("is no kept course; keep the run again", path=path) from None
    return course
