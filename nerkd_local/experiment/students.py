"""One student: planned, trained, scored; or found as an earlier run left it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nerkd_local.config.experiment import StudentsSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import CheckFailed, InputError, InterruptedRun, NerkdError
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.model_card import Scored, write_scored_card
from nerkd_local.experiment.prefixes import Course
from nerkd_local.files import link_or_copy, read_json, read_text, write_bytes, write_json, write_text
from nerkd_local.fingerprints import digest_file, digest_json
from nerkd_local.machine import describe_cpu
from nerkd_local.records import Document
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.plan import Plan, build_plan, save_plan
from nerkd_local.settings import find_named, make_settings, save_settings
from nerkd_local.software import describe_software
from nerkd_local.train.evidence import as_trained
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.identity import run_fingerprints
from nerkd_local.train.launch import launch
from nerkd_local.train.settings import TrainSettings


@dataclass(frozen=True)
class Student:
    """What one student is trained and scored on. Its name is its folder's."""

    name: str
    regimen: str
    seed: int
    original: Path | None
    distilled: Path | None
    evaluations: Mapping[str, Path] = field(default_factory=dict)
    """The human-labelled files it is scored on, by a name for each."""


def finished_students(
    students: Sequence[Student], settings: StudentsSettings, folder: RunFolder
) -> dict[str, dict[str, Any]]:
    """The results that are there, by name; one that was made from something else is none."""
    found = {student.name: _finished(student, *_planned(student, settings, folder), folder) for student in students}
    results = {name: result for name, result in found.items() if result is not None}
    for name in results:
        _tidy(folder.student(name), settings)
    return results


Trainer = Callable[["Student", TrainSettings], None]
"""Trains a student to its end, or raises: InterruptedRun if it was asked to stop."""


def run_student(
    student: Student, settings: StudentsSettings, folder: RunFolder, train: Trainer | None = None
) -> dict[str, Any]:
    """Plan, train, predict and score one student, or read what an earlier run of the same one left.

    `train` is by default a call of the launcher.
    """
    plan, training = _planned(student, settings, folder)
    earlier = _finished(student, plan, training, folder) or _twin(student, plan, training, settings, folder)
    if earlier is not None:
        return earlier
    here = folder.student(student.name)
    software = describe_software(_PACKAGES)  # now: what runs is what was there before training
    save_plan(plan, training.plan)
    save_settings(training, here / "train.yaml")
    if train is None:
        _launch(student.name, here / "train.yaml", find_named(settings.accelerate, configs_folder("accelerate")))
    else:
        train(student, training)
    scores = _score(student, settings, here)
    if settings.keep_students:
        _write_card(student, plan, training, settings, scores)
    shown = as_trained(plan, TrainFolder(here).evidence)
    result = {
        "made_from": _made_from(student, plan, training),
        "seed": student.seed,
        "examples": shown.examples,
        "passes": shown.passes,
        "cpu": describe_cpu(),
        "made_with": software | _machine(here),
        "scores": scores,
    }
    # the result last: whoever finds it, after a kill as well, finds nothing left to do but to remove the weights
    shutil.rmtree(here / "checkpoints", ignore_errors=True)
    _leave_for_twins(student, result, folder)
    write_json(here / _RESULT, result)
    _tidy(here, settings)
    return result


def _machine(here: Path) -> dict[str, Any]:
    """What a student may depend on to the last bit besides its inputs and software: threads, number format, device."""
    from nerkd_local.student.device import pick_device_name

    machine = TrainFolder(here).machine()
    on_gpu = {"gpu": pick_device_name()} if machine.get("device") == "cuda" else {}
    return machine | on_gpu


def _tidy(here: Path, settings: StudentsSettings) -> None:
    if not settings.keep_students:
        TrainFolder(here).forget_student()


def is_finished(student: Student, folder: RunFolder) -> bool:
    """Whether there is a result under the student's name; `run_student` says whether it is of these settings."""
    return (folder.student(student.name) / _RESULT).exists()


def course_of(student: Student, settings: StudentsSettings, folder: RunFolder) -> Course:
    """What the student is trained on, for those who share its beginning."""
    plan, training = _planned(student, settings, folder)
    return Course(student.name, plan, run_fingerprints(training, plan))


def _write_card(
    student: Student,
    plan: Plan,
    training: TrainSettings,
    settings: StudentsSettings,
    scores: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    scored = {}
    for name, gold in student.evaluations.items():
        scored[settings.scored_as or name] = Scored(gold, training.output / _PREDICTIONS.format(name), scores[name])
    write_scored_card(training, plan, scored)


def _twin(
    student: Student, plan: Plan, training: TrainSettings, settings: StudentsSettings, folder: RunFolder
) -> dict[str, Any] | None:
    """The result of a student under another name that was trained and scored on the very same things, as its own.

    With `keep_students`, its weights (one copy on the disk, where links can be made) and its ledger too.
    """
    made_from = _made_from(student, plan, training)
    note = folder.twin(digest_json(made_from))
    name = read_text(note).strip() if note.exists() else student.name
    there, here = folder.student(name), folder.student(student.name)
    if name == student.name or not (there / _RESULT).exists() or read_json(there / _RESULT)["made_from"] != made_from:
        return None
    here.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = read_json(there / _RESULT)
    scored = [*there.glob(_PREDICTIONS.format("*")), there / "counts.npz"]
    if settings.keep_students and (there / "done.json").exists():
        save_plan(plan, training.plan)
        save_settings(training, here / "train.yaml")
        logs = [there / name for name in ("exposure.jsonl", "evidence.jsonl", "done.json") if (there / name).exists()]
        _link([*scored, *logs], here)
        shutil.rmtree(here / "student", ignore_errors=True)  # half made before a kill
        shutil.copytree(there / "student", here / "student", copy_function=_link_file)
        _write_card(student, plan, training, settings, result["scores"])
    else:
        _link(scored, here)
    _link([there / _RESULT], here)
    return result


def _link_file(source: str, target: str) -> None:
    link_or_copy(Path(source), Path(target))


def _link(paths: Sequence[Path], folder: Path) -> None:
    for path in paths:
        (folder / path.name).unlink(missing_ok=True)
        link_or_copy(path, folder / path.name)


def _leave_for_twins(student: Student, result: dict[str, Any], folder: RunFolder) -> None:
    note = folder.twin(digest_json(result["made_from"]))
    note.parent.mkdir(parents=True, exist_ok=True)
    write_text(note, student.name)


_RESULT = "result.json"
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "safetensors", "numpy", "seqeval")
_PREDICTIONS = "predictions-{}.jsonl"


def _planned(student: Student, settings: StudentsSettings, folder: RunFolder) -> tuple[Plan, TrainSettings]:
    plan = build_plan(
        load_regimen(student.regimen, configs_folder("regimens")),
        _ids(student.original),
        _ids(student.distilled),
        steps=settings.training.steps,
        batch_size=settings.training.batch_size,
        seed=student.seed,
    )
    return plan, training_settings(student, settings, folder)


def _made_from(student: Student, plan: Plan, training: TrainSettings) -> dict[str, Any]:
    return {
        "training": run_fingerprints(training, plan),
        "evaluation": {name: digest_file(path) for name, path in student.evaluations.items()},
    }


def _finished(student: Student, plan: Plan, training: TrainSettings, folder: RunFolder) -> dict[str, Any] | None:
    """What an earlier run of the very same student left."""
    file = folder.student(student.name) / _RESULT
    if not file.exists():
        return None
    result: dict[str, Any] = read_json(file)
    return result if result["made_from"] == _made_from(student, plan, training) else None


def training_settings(student: Student, settings: StudentsSettings, folder: RunFolder) -> TrainSettings:
    """The trainer's settings. Raises InputError for what it would refuse."""
    here = folder.student(student.name)
    return make_settings(
        TrainSettings,
        student=settings.student,
        labels=settings.labels,
        original=student.original,
        distilled=student.distilled,
        plan=here / "plan.jsonl",
        cache=folder.encoded,
        output=here,
        seed=student.seed,
        **settings.training.model_dump(exclude={"steps", "batch_size"}),
    )


def read_counts(folder: RunFolder, name: str, evaluation: str) -> npt.NDArray[np.int64]:
    """Correct, predicted and gold entities of every sentence a student was scored on. Shape: (sentences, 3)."""
    with np.load(folder.student(name) / "counts.npz", allow_pickle=False) as tables:
        return cast("npt.NDArray[np.int64]", tables[evaluation].astype(np.int64))


def _ids(path: Path | None) -> tuple[str, ...]:
    return _read_ids(path, path.stat().st_mtime_ns) if path else ()


@lru_cache(maxsize=256)
def _read_ids(path: Path, changed_ns: int) -> tuple[str, ...]:
    return tuple(document.id for document in read_documents(path))


def _launch(name: str, config: Path, launcher: Path) -> None:
    code = launch(config, launcher)
    if code == InterruptedRun.exit_code:
        raise InterruptedRun(f"stopped while training {name}; the same command goes on from its checkpoint")
    if code:
        error = {kind.exit_code: kind for kind in (InputError, CheckFailed)}.get(code, NerkdError)
        raise error(f"training {name} failed with exit code {code}; its messages are above")


def _score(student: Student, settings: StudentsSettings, here: Path) -> dict[str, list[Any]]:
    """Predict each evaluation file; keep the predictions and the counts by sentence. Scores by evaluation."""
    from nerkd_local.student.model import load_trained
    from nerkd_local.student.predict import predict

    model, tokenizer = load_trained(here / "student")
    scores: dict[str, list[Any]] = {}
    tables = {}
    for name, evaluation in student.evaluations.items():
        gold: list[list[str]] = []
        predicted: list[list[str]] = []

        def labelled(evaluation: Path = evaluation, gold: Any = gold, predicted: Any = predicted) -> Iterator[Document]:
            answers = predict(
                model,
                tokenizer,
                read_documents(evaluation),
                max_tokens=settings.training.max_tokens,
                stride=settings.training.stride,
                precision=settings.training.precision,
            )
            for document, answer in zip(read_documents(evaluation), answers, strict=True):
                gold.append(spans_to_tags(document))
                predicted.append(answer.tags)
                yield answer.judged_document

        write_documents(here / _PREDICTIONS.format(name), labelled())
        # a sentence has fewer than 65,536 entities; packed, a table of 3,250 sentences takes 4 KB
        tables[name] = sentence_counts(gold, predicted).astype(np.uint16)
        scores[name] = list(scores_to_rows(score_tags(gold, predicted)))
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **tables)
    write_bytes(here / "counts.npz", packed.getvalue())
    return scores
