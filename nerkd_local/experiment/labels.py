"""Phase 1 of the paper: students on the very same sentences, once with human labels and once with the LLM's."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.splits import nested_subsets
from nerkd_local.errors import InputError
from nerkd_local.experiment.cells import EVALUATION
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student

Labels = Literal["human", "LLM"]


def label_students(settings: ExperimentSettings, folder: RunFolder) -> list[Student]:
    """The students of the label study, with their files written; none where no study is asked for.

    Sentences are those with a usable answer, so that both students of a pair read exactly the same. Sizes nest.
    Raises InputError for a source without human labels, or with too few sentences.
    """
    study = settings.label_study
    if study is None or settings.evaluation is None:
        return []
    human = folder.hidden(study.source)
    if not human.exists():
        raise InputError(f"label_study: the source {study.source!r} carries no human labels to compare with")
    llm = folder.annotation(study.source) / "annotations.jsonl"
    usable = (document.id for document in read_documents(llm) if is_usable(document))
    students = []
    for size, members in nested_subsets(usable, study.sizes, settings.sample_seed).items():
        for labels, file in (("human", human), ("LLM", llm)):
            _write_subset(file, folder.labels(labels, size), frozenset(members))
        students += [_student(labels, size, seed, folder) for labels in _LABELS for seed in settings.seeds]
    return students


def label_parts(settings: ExperimentSettings) -> list[tuple[Labels, int, list[str]]]:
    """Whose labels, how many sentences, and the names of the students (a seed each); none without a study."""
    study = settings.label_study
    sizes = sorted(set(study.sizes)) if study and settings.evaluation else []
    return [(whose, size, [_name(whose, size, seed) for seed in settings.seeds]) for whose in _LABELS for size in sizes]


_LABELS: tuple[Labels, Labels] = ("human", "LLM")


def _student(labels: Labels, size: int, seed: int, folder: RunFolder) -> Student:
    # Both files are read as originals: the order of a source depends on its name, and the two students of a pair
    # are to differ in nothing but the labels.
    return Student(
        name=_name(labels, size, seed),
        regimen="original_only",
        seed=seed,
        original=folder.labels(labels, size),
        distilled=None,
        evaluations={EVALUATION: folder.evaluation},
    )


def _name(labels: Labels, size: int, seed: int) -> str:
    return f"labels-{labels}-n{size}-seed{seed}"


def _write_subset(source: Path, target: Path, members: Collection[str]) -> None:
    write_documents(target, (document for document in read_documents(source) if document.id in members))
