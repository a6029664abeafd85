"""The grid: one trained and scored student for every regimen x original size x seed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import CheckFailed, InputError, InterruptedRun, NerkdError
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import local_model, read_json, write_bytes, write_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.machine import describe_cpu
from nerkd_local.records import Document
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.plan import build_plan, save_plan
from nerkd_local.settings import find_named, load_settings, make_settings, save_settings
from nerkd_local.train.identity import NOT_THE_RUN, run_fingerprints
from nerkd_local.train.launch import launch, read_launcher_config
from nerkd_local.train.settings import StudentSettings, TrainSettings


@dataclass(frozen=True, slots=True)
class Cell:
    """One student of the grid."""

    regimen: str
    original_size: int
    seed: int

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{Path(self.regimen).stem}-n{self.original_size}-seed{self.seed}"


def list_cells(settings: ExperimentSettings) -> list[Cell]:
    """Every cell of the grid, seeds outermost, so that all regimens are compared early."""
    return [
        Cell(regimen, size, seed)
        for seed in settings.seeds
        for size in sorted(set(settings.original.sizes))
        for regimen in settings.regimens
    ]


def write_distilled(settings: ExperimentSettings, folder: RunFolder) -> int:
    """Gather the usable annotated sentences of all sources into one file; returns how many there are."""

    files = (folder.annotation(source.name) / "annotations.jsonl" for source in settings.distilled)
    usable = (document for file in files for document in read_documents(file) if is_usable(document))
    return write_documents(folder.distilled, usable)


def check_grid(settings: ExperimentSettings, folder: RunFolder) -> None:
    """Raise InputError for what would otherwise stop the experiment only when its first student is trained:
    an unknown regimen or launcher, no encoder, training settings that are not allowed, and a run folder with
    students that were trained with other settings."""
    local_model(settings.student)
    read_launcher_config(find_named(settings.accelerate, configs_folder("accelerate")))
    for cell in list_cells(settings):
        load_regimen(cell.regimen, configs_folder("regimens"))
        _training(cell, settings, folder)
    if folder.settings.exists() and has_students(folder):
        there = load_settings(ExperimentSettings, folder.settings).model_dump(mode="json", exclude=_MAY_CHANGE)
        here = settings.model_dump(mode="json", exclude=_MAY_CHANGE)
        different = [name for name in here if here[name] != there[name]]
        if different:
            raise InputError(
                f"its students were trained with another {' and another '.join(different)}; choose another output "
                "folder",
                path=folder.root,
            )


_MAY_CHANGE: Any = {
    # more of the same grid, another name, the same files in another place (the trainer goes by their content)
    **dict.fromkeys(("name", "output", "data_root", "student", "regimens", "seeds", "accelerate"), True),
    "annotator": True,  # see `annotate_folder`: there what was asked is compared, not how it was written
    "training": NOT_THE_RUN & set(StudentSettings.model_fields),
}


def has_students(folder: RunFolder) -> bool:
    """Whether a student of the grid is trained, or partly trained."""
    return any(any(folder.root.glob(f"cells/*/{name}")) for name in ("done.json", "checkpoints/*"))


def run_cell(cell: Cell, settings: ExperimentSettings, folder: RunFolder) -> dict[str, Any]:
    """Plan, train, predict and score one student, or read what an earlier run of the same cell left.

    Raises InterruptedRun if the trainer was asked to stop; if it failed, an error with its exit code.
    """
    here = folder.cell(cell.name)
    original = folder.original(cell.original_size)
    plan = build_plan(
        load_regimen(cell.regimen, configs_folder("regimens")),
        [document.id for document in read_documents(original)],
        [document.id for document in read_documents(folder.distilled)],
        steps=settings.training.steps,
        batch_size=settings.training.batch_size,
        seed=cell.seed,
    )
    training = _training(cell, settings, folder)
    made_from = {"training": run_fingerprints(training, plan), "evaluation": digest_file(folder.evaluation)}
    result_file = here / "result.json"
    if result_file.exists():
        earlier: dict[str, Any] = read_json(result_file)
        if earlier["made_from"] == made_from:
            return earlier

    save_plan(plan, training.plan)
    save_settings(training, here / "train.yaml")
    _train(cell, here / "train.yaml", find_named(settings.accelerate, configs_folder("accelerate")))
    result = {
        "made_from": made_from,
        "regimen": Path(cell.regimen).stem,
        "original_size": cell.original_size,
        "seed": cell.seed,
        "examples": plan.examples,
        "passes": plan.passes,
        "cpu": describe_cpu(),
        **_score_student(here, settings, folder.evaluation),
    }
    write_json(result_file, result)
    return result


def _training(cell: Cell, settings: ExperimentSettings, folder: RunFolder) -> TrainSettings:
    here = folder.cell(cell.name)
    return make_settings(
        TrainSettings,
        student=settings.student,
        labels=tuple(settings.annotator.labels),
        original=folder.original(cell.original_size),
        distilled=folder.distilled,
        plan=here / "plan.jsonl",
        output=here,
        seed=cell.seed,
        **settings.training.model_dump(exclude={"steps", "batch_size"}),
    )


def _train(cell: Cell, config: Path, launcher: Path) -> None:
    code = launch(config, launcher)
    if code == InterruptedRun.exit_code:
        raise InterruptedRun(f"stopped while training {cell.name}; the same command goes on from its checkpoint")
    if code:
        error = {kind.exit_code: kind for kind in (InputError, CheckFailed)}.get(code, NerkdError)
        raise error(f"training {cell.name} failed with exit code {code}; its messages are above")


def _score_student(here: Path, settings: ExperimentSettings, evaluation: Path) -> dict[str, Any]:
    """Predict the evaluation corpus with the cell's student; keep predictions and per-sentence counts."""
    from nerkd_local.student.model import load_trained
    from nerkd_local.student.predict import predict

    model, tokenizer = load_trained(here / "student")
    gold: list[list[str]] = []
    predicted: list[list[str]] = []

    def labelled() -> Iterator[Document]:
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
            yield answer.tagged_document

    write_documents(here / "predictions.jsonl", labelled())
    counts = io.BytesIO()
    np.save(counts, sentence_counts(gold, predicted), allow_pickle=False)
    write_bytes(here / "counts.npy", counts.getvalue())
    return {"scores": scores_to_rows(score_tags(gold, predicted))}


def read_counts(folder: RunFolder, cells: Sequence[Cell]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Per-sentence counts of correct, predicted and gold entities. Shape: (cells, sentences, 3)."""
    return np.stack([np.load(folder.cell(cell.name) / "counts.npy", allow_pickle=False) for cell in cells])
