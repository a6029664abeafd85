"""Annotation on disk: a folder with `corpus.jsonl` goes in, `annotations.jsonl` and `ledger.json` come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.annotate.engines.start import engine_identity, start_engine
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt, choose_demonstrations
from nerkd_local.annotate.run import ALIGNMENT_VERSION, AnnotationJob, annotate, export
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.records import Document
from nerkd_local.store.answers import AnswerStore


class DocumentFile:
    """A file of documents that can be read again and again, as a stream each time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Document]:
        return read_documents(self.path)


def write_corpus(folder: Path, documents: Iterable[Document]) -> int:
    """Write the folder's `corpus.jsonl`; returns how many sentences it has.

    A corpus that is there already may grow at its end (stored answers stay those of their sentences). Raises
    InputError, and leaves it as it was, if it would change otherwise.
    """
    path = folder / "corpus.jsonl"
    new = folder / "corpus.new.jsonl"
    count = write_documents(new, documents)
    try:
        if path.exists() and not _begins_with(new, path):
            raise InputError("holds another corpus; annotate this one into another folder", path=path)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return count


def _begins_with(longer: Path, shorter: Path) -> bool:
    with longer.open("rb") as left, shorter.open("rb") as right:
        return all(left.read(len(piece)) == piece for piece in iter(lambda: right.read(1 << 20), b""))


def annotate_folder(
    folder: Path, settings: AnnotatorSettings, pool: Sequence[Document] = (), *, seed: int = 0
) -> dict[str, Any]:
    """Annotate the folder's `corpus.jsonl`; returns the ledger. What is stored already is not asked again.

    `pool` holds human-labelled documents for the worked examples of the prompt. Raises InputError,
    InterruptedRun (see `annotate`).
    """
    documents = DocumentFile(folder / "corpus.jsonl")
    job = prepare_job(settings, pool, seed=seed)
    inputs = {
        "run": job.identity(),
        "corpus_sha256": digest_file(documents.path),
        "alignment_version": ALIGNMENT_VERSION,
    }
    ledger = folder / "ledger.json"
    if ledger.exists() and (folder / "annotations.jsonl").exists():
        finished: dict[str, Any] = read_json(ledger)
        if finished.get("inputs") == inputs:
            return finished
    with AnswerStore(folder / "answers.sqlite") as store:
        run_id = annotate(documents, job, store, total=sum(1 for _ in documents))
        return export(documents, job, store, run_id, folder, inputs)


def prepare_job(settings: AnnotatorSettings, pool: Sequence[Document] = (), *, seed: int = 0) -> AnnotationJob:
    """What the settings ask of every sentence, and of which engine. Starts nothing."""
    demonstrations = choose_demonstrations(pool, list(settings.labels), settings.shots, seed)
    return AnnotationJob(
        prompt=Prompt(settings.prompt, settings.labels, answer_format(settings.format), demonstrations),
        sampling=settings.sampling,
        constrained=settings.constrained,
        engine_identity=engine_identity(settings.engine),
        start=lambda: start_engine(settings.engine),
    )
