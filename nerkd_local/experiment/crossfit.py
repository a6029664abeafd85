"""Cross-fitting: what students that did not train on a document say of it and of its labels.

The documents are dealt into folds, whole texts to a fold. Of each fold a student of its own, trained on the other
folds, says what it finds there and how probable it finds the labels that are there: a student that had trained on a
wrong label would have learned it. So it does not train on a sentence that stands in its fold, word for word, either.
With `entity_disjoint`, a student does not see the fold's mentions in training
either, as CrossWeigh does (Wang et al. 2019, aclanthology.org/D19-1519): where one name is labelled wrongly again and
again, the others' labels of it would teach the student the same error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from nerkd_local.config.experiment import StudentsSettings, TrainingSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.checks import check_labels, same_text
from nerkd_local.corpus.folds import assign_folds
from nerkd_local.corpus.jsonl import document_to_json, read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.locks import held
from nerkd_local.experiment.students import Student
from nerkd_local.experiment.workers import run_students
from nerkd_local.files import existing_file, local_model, read_json, write_json
from nerkd_local.fingerprints import digest, digest_file, digest_folder, digest_json
from nerkd_local.records import CONFIDENCES, OF_LABELS, OF_NOTHING, Document
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.select.opinions import Opinion, read_opinions, write_opinions
from nerkd_local.settings import EntityType, Settings
from nerkd_local.train.identity import NOT_THE_RUN


class CrossFitSettings(Settings):
    """Who gives the opinions, and what each student is trained on."""

    student: Path
    """A local folder with a pretrained encoder."""
    labels: Annotated[tuple[EntityType, ...], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2)] = 5
    """As many students, each trained on all folds but one."""
    entity_disjoint: bool = False
    """Leave out of a student's training every document of the other folds that shares a mention with the held-out one.
    """
    training: TrainingSettings = TrainingSettings()
    also: Path | None = None
    """Human-labelled documents (JSON lines) that every student is trained on as well, as its original ones; those of
    the folds are its distilled ones then."""
    regimen: str = "simple_mix"
    """Where there are `also` documents; without them it is `original_only`."""
    seed: int = 1
    """Deals out the folds, and is the students' seed."""
    accelerate: str = "cpu"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Students side by side; auto: one a GPU, or one a core."""


OPINIONS = "opinions.jsonl"


def cross_fit(
    documents: Sequence[Document], settings: CrossFitSettings, folder: Path, *, say: Callable[[str], None]
) -> dict[str, Opinion]:
    """The opinion on each document of a student that did not train on it, by id, in the documents' order.

    They are kept in the folder's `opinions.jsonl`; beside it `crossfit.json` says how many documents each student was
    trained on. Called again, it goes on with the folds that are not finished. Raises InputError for labels outside
    the settings' set, fewer texts than folds, folds that leave a student nothing to train on, and a folder that was
    made from other documents or settings; InterruptedRun where the same call goes on.
    """
    here = RunFolder(folder)
    made_from = _made_from(documents, settings)
    with held(here, "preparation"):
        students = _prepare(documents, settings, here, made_from, say)
    opinions = folder / OPINIONS
    if not opinions.exists():
        results = run_students(students, _shared(settings), here, say)
        agreement = [result["scores"][_HELD_OUT][0]["f1"] for result in results.values()]
        say(
            f"the students' F1 against the labels of their held-out folds: {', '.join(f'{f1:.3f}' for f1 in agreement)}"
        )
        found = {id: opinion for student in students for id, opinion in _opinions(student, here)}
        write_opinions(opinions, {document.id: found[document.id] for document in documents})
    return read_opinions(opinions, documents)


def folded_mentions(document: Document) -> set[str]:
    """The document's mentions without regard to case and white space."""
    return {" ".join(document.text[span.start : span.end].split()).casefold() for span in document.spans}


@dataclass(frozen=True, slots=True)
class Fold:
    """One student's documents, and how many it does not see although they are in other folds."""

    held_out: list[Document]
    training: list[Document]
    shared: int


def deal(documents: Sequence[Document], count: int, seed: int, *, entity_disjoint: bool) -> list[Fold]:
    """The folds, each with what its student trains on: no text that its fold has, and no mention if `entity_disjoint`.

    Raises InputError where that would be nothing, or without any mention though there are some.
    """
    numbers = assign_folds(documents, count, seed)
    told = {
        document.id: {same_text(document), *(folded_mentions(document) if entity_disjoint else ())}
        for document in documents
    }
    folds = []
    for number in range(count):
        held_out = [document for document in documents if numbers[document.id] == number]
        others = [document for document in documents if numbers[document.id] != number]
        known = set().union(*(told[document.id] for document in held_out))
        training = [document for document in others if known.isdisjoint(told[document.id])]
        if not training or (_mentions(others) and not _mentions(training)):
            raise InputError(
                f"all documents with a mention outside fold {number} share one, or their text, with it, so its student "
                "would learn nothing; ask for more folds, give more documents, or set entity_disjoint to false"
            )
        folds.append(Fold(held_out, training, len(others) - len(training)))
    return folds


def _mentions(documents: Iterable[Document]) -> bool:
    return any(document.spans for document in documents)


_HELD_OUT = "held-out"


def _made_from(documents: Iterable[Document], settings: CrossFitSettings) -> dict[str, Any]:
    plain = settings.model_dump(mode="json", exclude={"student", "also", "accelerate", "workers"})
    for name in NOT_THE_RUN & plain["training"].keys():
        del plain["training"][name]
    if settings.also is None:
        plain.pop("regimen")
    return {
        **plain,
        "student": digest_folder(local_model(settings.student)),
        "also": settings.also and digest_file(existing_file(settings.also)),
        "documents": digest(*(digest_json(document_to_json(document)) for document in documents)),
    }


def _prepare(
    documents: Sequence[Document],
    settings: CrossFitSettings,
    here: RunFolder,
    made_from: dict[str, Any],
    say: Callable[[str], None],
) -> list[Student]:
    """Write each student's files, or find them there."""
    record = here.root / "crossfit.json"
    if record.exists():
        earlier = read_json(record)["made_from"]
        if earlier != made_from:
            changed = sorted(name for name in made_from if made_from[name] != earlier.get(name))
            raise InputError(
                f"was made with other {', '.join(changed) or 'settings'}; choose another folder, or remove this one",
                path=here.root,
            )
        return [_student(number, settings, here) for number in range(settings.folds)]
    if settings.also is not None:
        load_regimen(settings.regimen, configs_folder("regimens"))
    counts = []
    for number, fold in enumerate(
        deal(documents, settings.folds, settings.seed, entity_disjoint=settings.entity_disjoint)
    ):
        student = _student(number, settings, here)
        write_documents(student.evaluations[_HELD_OUT], fold.held_out)
        check_labels(fold.held_out, settings.labels, student.evaluations[_HELD_OUT])
        write_documents(here.corpus / f"training-{number}.jsonl", fold.training)
        what = "a mention or the text" if settings.entity_disjoint else "the text"
        shared = f"; {fold.shared:,} share {what} with it and are left out" if fold.shared else ""
        say(f"fold {number}: {len(fold.held_out):,} held out, trained on {len(fold.training):,}{shared}")
        counts.append({"held_out": len(fold.held_out), "training": len(fold.training), "shared": fold.shared})
    write_json(record, {"made_from": made_from, "folds": counts})
    return [_student(number, settings, here) for number in range(settings.folds)]


def _student(number: int, settings: CrossFitSettings, here: RunFolder) -> Student:
    training = here.corpus / f"training-{number}.jsonl"
    original, distilled = (training, None) if settings.also is None else (settings.also, training)
    return Student(
        name=f"fold-{number}",
        regimen="original_only" if settings.also is None else settings.regimen,
        seed=settings.seed,
        original=original,
        distilled=distilled,
        evaluations={_HELD_OUT: here.corpus / f"held-out-{number}.jsonl"},
    )


def _shared(settings: CrossFitSettings) -> StudentsSettings:
    return StudentsSettings(
        student=settings.student,
        labels=settings.labels,
        training=settings.training,
        accelerate=settings.accelerate,
        workers=settings.workers,
        keep_students=False,  # what they say is what is wanted
    )


def _opinions(student: Student, here: RunFolder) -> list[tuple[str, Opinion]]:
    judged = read_documents(here.student(student.name) / f"predictions-{_HELD_OUT}.jsonl")
    return [
        (
            document.id,
            Opinion(document.spans, *(tuple(document.meta[key]) for key in (CONFIDENCES, OF_LABELS, OF_NOTHING))),
        )
        for document in judged
    ]
