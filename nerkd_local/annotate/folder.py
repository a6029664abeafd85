"""Annotation on disk: a file of documents goes in, `annotations.jsonl` and `ledger.json` come out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.annotate.align import ALIGNMENT_VERSION
from nerkd_local.annotate.asking import Asking
from nerkd_local.annotate.chat_template import knows_system_role
from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.engines.start import check_engine, engine_gpus, engine_identity, is_present, same_engine
from nerkd_local.annotate.export import export
from nerkd_local.annotate.forecast import Forecast, measure
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.further import Further
from nerkd_local.annotate.job import SYSTEM_ROLE, AnnotationJob
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.retrieval import Retrieval, fixed_demonstrations, same_retrieval
from nerkd_local.annotate.sentences import SentenceFile
from nerkd_local.annotate.settings import AnnotatorSettings, ModelSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.files import read_json, sync_folder
from nerkd_local.fingerprints import digest_file
from nerkd_local.records import Document
from nerkd_local.store.answers import AnswerStore


def write_corpus(path: Path, documents: Iterable[Document]) -> int:
    """Write the file of documents to annotate; returns how many sentences it has.

    A corpus that is there already may grow at its end (stored answers stay those of their sentences). Raises
    InputError, and leaves it as it was, if it would change otherwise.
    """
    new = path.with_suffix(".new.jsonl")
    count = write_documents(new, documents)
    try:
        check_grown(new, path)
        if not path.exists() or new.stat().st_size > path.stat().st_size:
            new.replace(path)
            sync_folder(path.parent)
    finally:
        new.unlink(missing_ok=True)
    return count


def check_grown(corpus: Path, before: Path) -> None:
    """Raise InputError if there was a corpus before, and this one does not begin with it."""
    if not before.exists():
        return
    with corpus.open("rb") as left, before.open("rb") as right:
        if not all(left.read(len(piece)) == piece for piece in iter(lambda: right.read(1 << 20), b"")):
            raise InputError("holds another corpus; annotate this one into another folder", path=before)


def annotate_folder(
    corpus: Path,
    folder: Path,
    settings: AnnotatorSettings,
    engine: Completer,
    pool: Sequence[Document] = (),
    *,
    seed: int = 0,
    settled: bool = False,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Annotate a file of documents into a folder; returns the ledger. What is stored already is not asked again.

    `pool` holds human-labelled documents for the worked examples of the prompt. A finished export is returned as
    it is, also where the model or vLLM is no longer at hand. `settled` says that others build on that export: it
    must be there, made by this annotator. `say` hears what a person would want to know. Raises InputError,
    InterruptedRun (see `Annotation.ask`).
    """
    job = prepare_job(settings, pool, seed=seed)
    further = Further.of(job, settings)
    inputs = export_inputs(job.identity(), digest_file(corpus), further)
    finished = finished_export(folder, inputs)
    if finished is not None:
        return finished
    if settled:
        raise InputError(
            "students were trained on these labels, and they were made by another annotator (model, vLLM version, "
            "prompt, labels or sampling differ), or have changed since; choose another output folder",
            path=folder / "annotations.jsonl",
        )
    check_engine(settings.engine)
    with AnswerStore(folder / "answers.sqlite") as store, SentenceFile(corpus, folder / "index") as sentences:
        gpus = engine_gpus(settings.engine)
        asking = Asking(engine, store, folder, say or _to_stderr, settings.deduplicate, gpus=gpus)
        run_id = asking.ask_missing(sentences, job)
        asking.ask_further(sentences, further, run_id)
        return export(sentences, job, store, run_id, folder, inputs, further)


def forecast_folder(
    corpus: Path,
    folder: Path,
    settings: AnnotatorSettings,
    engine: Completer,
    pool: Sequence[Document] = (),
    *,
    seed: int = 0,
    count: int,
    gpus: int,
    say: Callable[[str], None] | None = None,
) -> Forecast | None:
    """Ask about `count` sentences from all over a corpus, store their answers, and predict what the rest will take.

    None where nothing is missing. Raises InputError, InterruptedRun (see `Annotation.ask`).
    """
    job = prepare_job(settings, pool, seed=seed)
    check_engine(settings.engine)
    say = say or _to_stderr
    if settings.votes or settings.verify:
        say("what votes and verify ask further is not in this forecast")
    with AnswerStore(folder / "answers.sqlite") as store, SentenceFile(corpus, folder / "index") as sentences:
        asking = Asking(engine, store, folder, say, settings.deduplicate, gpus=engine_gpus(settings.engine))
        return measure(asking.open(sentences, job), count, gpus)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def export_inputs(run: Mapping[str, Any], corpus_sha256: str, further: Further | None = None) -> dict[str, Any]:
    """What an export is made from, as its ledger names it."""
    more: dict[str, Any] = {"further": further.to_json()} if further and further.to_json() else {}
    if further and further.job.nested != "outermost":
        more["nested"] = further.job.nested
    return {"run": run, "corpus_sha256": corpus_sha256, "alignment_version": ALIGNMENT_VERSION, **more}


def finished_export(folder: Path, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ledger of a whole export made from these inputs, if the folder holds one."""
    if not (folder / "ledger.json").exists() or not (folder / "annotations.jsonl").exists():
        return None
    ledger: dict[str, Any] = read_json(folder / "ledger.json")
    made_from = ledger["inputs"]
    same = same_run(inputs["run"], made_from["run"]) and {**inputs, "run": None} == {**made_from, "run": None}
    whole = ledger["annotations_sha256"] == digest_file(folder / "annotations.jsonl")
    return ledger if same and whole else None


def same_run(now: Mapping[str, Any], earlier: Mapping[str, Any]) -> bool:
    """Whether two jobs' identities can be of one run: what an absent engine leaves unknown is no difference."""
    run, other = dict(now), dict(earlier)
    roles = (run.pop(SYSTEM_ROLE, True), other.pop(SYSTEM_ROLE, True))
    shown = [each.pop("demonstrations", {}) for each in (run, other)]
    same = same_engine(run.pop("engine"), other.pop("engine")) and same_retrieval(*shown) and run == other
    return same and (None in roles or roles[0] == roles[1])


def prepare_job(settings: AnnotatorSettings, pool: Sequence[Document] = (), *, seed: int = 0) -> AnnotationJob:
    """What the settings ask of every sentence, and of which engine. Starts nothing.

    Raises InputError if the model's chat template can be told nothing at all (see `knows_system_role`).
    """
    system_role = _find_system_role(settings)
    prompt = Prompt(
        settings.prompt,
        settings.labels,
        answer_format(settings.format),
        fixed_demonstrations(settings, pool, seed),
        system_role=system_role is not False,
        thinking=settings.thinking,
        task=settings.task,
    )
    return AnnotationJob(
        prompt=prompt,
        sampling=settings.sampling,
        constrained=settings.constrained,
        engine_identity=engine_identity(settings.engine),
        reasoning_tokens=settings.reasoning_tokens,
        chat_template_kwargs=settings.chat_template_kwargs,
        knows_system_role=system_role,
        free_first=settings.free_first,
        logprobs=settings.logprobs,
        verbatim=settings.verbatim,
        window=settings.window,
        nested=settings.nested,
        retrieval=Retrieval.of(settings, pool),
    )


def _find_system_role(settings: AnnotatorSettings) -> bool | None:
    """Whether instructions can be a system message; None where only a model that is not here could tell."""
    if settings.system_role != "auto":
        return settings.system_role
    if not isinstance(settings.engine, ModelSettings):
        return True
    if not is_present(settings.engine):
        return None
    return knows_system_role(settings.engine.model, settings.chat_template_kwargs)
