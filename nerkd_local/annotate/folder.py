"""Annotation on disk: a file of documents goes in, `annotations.jsonl` and `ledger.json` come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.annotate.chat_template import knows_system_role
from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.engines.start import check_engine, engine_identity, is_present, same_engine
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt, choose_demonstrations
from nerkd_local.annotate.run import ALIGNMENT_VERSION, SYSTEM_ROLE, AnnotationJob, annotate, export
from nerkd_local.annotate.settings import AnnotatorSettings, VllmSettings
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


def write_corpus(path: Path, documents: Iterable[Document]) -> int:
    """Write the file of documents to annotate; returns how many sentences it has.

    A corpus that is there already may grow at its end (stored answers stay those of their sentences). Raises
    InputError, and leaves it as it was, if it would change otherwise.
    """
    new = path.with_suffix(".new.jsonl")
    count = write_documents(new, documents)
    try:
        if path.exists() and not _begins_with(new, path):
            raise InputError("holds another corpus; annotate this one into another folder", path=path)
        if not path.exists() or new.stat().st_size > path.stat().st_size:
            new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return count


def _begins_with(longer: Path, shorter: Path) -> bool:
    with longer.open("rb") as left, shorter.open("rb") as right:
        return all(left.read(len(piece)) == piece for piece in iter(lambda: right.read(1 << 20), b""))


def annotate_folder(
    corpus: Path,
    folder: Path,
    settings: AnnotatorSettings,
    engine: Completer,
    pool: Sequence[Document] = (),
    *,
    seed: int = 0,
    settled: bool = False,
) -> dict[str, Any]:
    """Annotate a file of documents into a folder; returns the ledger. What is stored already is not asked again.

    `pool` holds human-labelled documents for the worked examples of the prompt. A finished export is returned as
    it is, also where the model or vLLM is no longer at hand. `settled` says that others build on that export: it
    must be there, made by this annotator. Raises InputError, InterruptedRun (see `annotate`).
    """
    documents = DocumentFile(corpus)
    job = prepare_job(settings, pool, seed=seed)
    inputs = {
        "run": job.identity(),
        "corpus_sha256": digest_file(corpus),
        "alignment_version": ALIGNMENT_VERSION,
    }
    finished = _finished_export(folder, inputs)
    if finished is not None:
        return finished
    if settled:
        raise InputError(
            "students were trained on these labels, and they were made by another annotator (model, vLLM version, "
            "prompt, labels or sampling differ), or have changed since; choose another output folder",
            path=folder / "annotations.jsonl",
        )
    check_engine(settings.engine)
    with AnswerStore(folder / "answers.sqlite") as store:
        run_id = annotate(documents, job, engine, store, total=sum(1 for _ in documents))
        return export(documents, job, store, run_id, folder, inputs)


def _finished_export(folder: Path, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ledger of a whole export made from these inputs, if the folder holds one."""
    if not (folder / "ledger.json").exists() or not (folder / "annotations.jsonl").exists():
        return None
    ledger: dict[str, Any] = read_json(folder / "ledger.json")
    run, earlier = dict(inputs["run"]), dict(ledger["inputs"]["run"])
    roles = (run.pop(SYSTEM_ROLE, True), earlier.pop(SYSTEM_ROLE, True))
    same = same_engine(run.pop("engine"), earlier.pop("engine")) and run == earlier
    same = same and (None in roles or roles[0] == roles[1])
    rest = [name for name in inputs if name != "run"]
    same = same and all(inputs[name] == ledger["inputs"][name] for name in rest)
    whole = ledger["annotations_sha256"] == digest_file(folder / "annotations.jsonl")
    return ledger if same and whole else None


def prepare_job(settings: AnnotatorSettings, pool: Sequence[Document] = (), *, seed: int = 0) -> AnnotationJob:
    """What the settings ask of every sentence, and of which engine. Starts nothing.

    Raises InputError if the model's chat template can be told nothing at all (see `knows_system_role`).
    """
    system_role = _find_system_role(settings)
    prompt = Prompt(
        settings.prompt,
        settings.labels,
        answer_format(settings.format),
        choose_demonstrations(pool, list(settings.labels), settings.shots, seed),
        system_role=system_role is not False,
        thinking=settings.thinking,
    )
    return AnnotationJob(
        prompt=prompt,
        sampling=settings.sampling,
        constrained=settings.constrained,
        engine_identity=engine_identity(settings.engine),
        reasoning_tokens=settings.reasoning_tokens,
        chat_template_kwargs=settings.chat_template_kwargs,
        knows_system_role=system_role,
    )


def _find_system_role(settings: AnnotatorSettings) -> bool | None:
    """Whether instructions can be a system message; None where only a model that is not here could tell."""
    if settings.system_role != "auto":
        return settings.system_role
    if not isinstance(settings.engine, VllmSettings):
        return True
    if not is_present(settings.engine):
        return None
    return knows_system_role(settings.engine.model, settings.chat_template_kwargs)
