"""The shards of a corpus, each annotated in a folder of its own, as one folder: what an unsharded run would leave."""

from __future__ import annotations

import heapq
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerkd_local.annotate.agenda import in_shard
from nerkd_local.annotate.asking import describe_difference
from nerkd_local.annotate.export import export
from nerkd_local.annotate.exports import check_exports, export_labels
from nerkd_local.annotate.folder import export_inputs
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.further import Further
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.selection import CORPUS, Selection, read_selection, write_selection
from nerkd_local.annotate.sentences import SentenceFile, Sentences
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.shards import ShardAccount, read_account
from nerkd_local.annotate.workplace import STORE, seal_work
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.files import sync_folder
from nerkd_local.fingerprints import digest_file
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer, Work
from nerkd_local.store.seal import copy_sealed

_ROWS_IN_MEMORY = 1 << 16


@dataclass(frozen=True, slots=True)
class Part:
    """A shard's folder, its seal verified, and what it says it holds."""

    folder: Path
    account: ShardAccount


def merge_shards(
    folders: Sequence[Path],
    output: Path,
    *,
    corpus: Path | None = None,
    scratch: Path | None = None,
    exports: Sequence[str] = (),
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Put all shards of a corpus together into a new folder, export the labels, and seal it; returns the ledger.

    The corpus is read again from where the shards read it, or from `corpus`: the same source, or the `corpus.jsonl`
    made from it. `output` appears when everything is in it; until then the work is in a folder beside it, or on
    `scratch` (where the output is on a network file system). Memory: some tens of bytes a sentence.

    Raises InputError, and leaves no output, for an output that is not empty, a broken seal, a missing, repeated or
    unfinished shard, shards of different runs or corpora, another corpus than theirs, and a damaged row.
    """
    check_exports(exports)
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise InputError("is there already; merge into a new folder", path=output)
    parts = read_parts(folders)
    selection = read_selection(parts[0].folder)
    if selection is None:
        raise InputError("holds no selection.json, which says where the corpus is", path=parts[0].folder)
    settings = load_settings(AnnotatorSettings, parts[0].folder / "annotator.yaml")
    output.parent.mkdir(parents=True, exist_ok=True)
    with _new_folder(scratch or output.parent, output.name) as work:
        _read_again(selection, corpus, work / CORPUS, parts[0].account.corpus_sha256)
        shutil.copyfile(parts[0].folder / "annotator.yaml", work / "annotator.yaml")
        write_selection(work, selection)
        ledger = _join(parts, settings, work)
        export_labels(work, exports, say)
        seal_work(work)
        if scratch:
            with _new_folder(output.parent, output.name) as staged:
                copy_sealed(work, staged)
                staged.rename(output)
        else:
            work.rename(output)
    sync_folder(output.parent)
    return ledger


def read_parts(folders: Sequence[Path]) -> list[Part]:
    """The shards in their order, all of one run and one corpus, none missing, none twice, none unfinished.

    Raises InputError for the first thing wrong.
    """
    parts = [Part(folder, _account(folder)) for folder in folders]
    first = parts[0]
    seen: dict[int, Path] = {}
    for part in parts:
        _check_same(first, part)
        if part.account.shard in seen:
            problem = f"holds shard {_name(part)}, and so does {seen[part.account.shard]}; give each shard once"
            raise InputError(problem, path=part.folder)
        seen[part.account.shard] = part.folder
    for part in parts:
        if not part.account.is_whole:
            _refuse_unfinished(part, part.account.share - part.account.answers)
    missing = [str(number) for number in range(1, first.account.shards + 1) if number not in seen]
    if missing:
        shown = ", ".join(missing[:20]) + (f" and {len(missing) - 20:,} more" if len(missing) > 20 else "")
        raise InputError(f"of {first.account.shards} shards, these are missing: {shown}; annotate them, or name them")
    return sorted(parts, key=lambda part: part.account.shard)


def _account(folder: Path) -> ShardAccount:
    if not folder.is_dir():
        raise InputError("no such folder; check the path", path=folder)
    account = read_account(folder)
    if account is None:
        raise InputError(
            "holds no sealed shard: it is still being worked on, or was cut off; run its command to the end "
            "(nerkd annotate --shard i/n)",
            path=folder,
        )
    return account


def _name(part: Part) -> str:
    return f"{part.account.shard}/{part.account.shards}"


def _check_same(first: Part, part: Part) -> None:
    """Raise InputError if two shards do not belong together."""
    one, other = first.account, part.account
    if other.shards != one.shards:
        problem = f"holds shard {_name(part)}, and {first.folder} shard {_name(first)}; merge shards of one division"
        raise InputError(problem, path=part.folder)
    if (other.corpus_sha256, other.sentences) != (one.corpus_sha256, one.sentences):
        problem = f"is of another corpus than {first.folder}: {other.sentences:,} sentences with SHA-256 "
        raise InputError(
            f"{problem}{other.corpus_sha256}, there {one.sentences:,} with {one.corpus_sha256}", path=part.folder
        )
    if other.run != one.run:
        difference = describe_difference(one.run, other.run)
        raise InputError(f"is of another run than {first.folder}: {difference}", path=part.folder)


def _refuse_unfinished(part: Part, lacking: int) -> None:
    problem = f"holds shard {_name(part)} unfinished: {lacking:,} answers lack; run its command again, to the end"
    raise InputError(problem, path=part.folder)


@contextmanager
def _new_folder(where: Path, name: str) -> Iterator[Path]:
    """An empty folder, which is gone at the end unless it was renamed."""
    where.mkdir(parents=True, exist_ok=True)
    folder = where / f".{name}.merging-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read_again(selection: Selection, given: Path | None, target: Path, expected: str) -> None:
    """Have the corpus that the shards annotated as a file of documents. Raises InputError if it is another one."""
    source = given or selection.corpus
    if given and given.is_file() and digest_file(given) == expected:
        shutil.copyfile(given, target)
        return
    if not source.exists():
        raise InputError("is where the shards' corpus should be, and is not there; give it with --corpus", path=source)
    write_documents(target, selection.model_copy(update={"corpus": source}).documents())
    if digest_file(target) != expected:
        raise InputError(
            "reads as another corpus than the shards' (its sentences have another SHA-256): it changed, or has another "
            "name, which ids begin with; give the one that was annotated with --corpus",
            path=source,
        )


def _join(parts: Sequence[Part], settings: AnnotatorSettings, work: Path) -> dict[str, Any]:
    """All answers in one store, in the order of the sentences, and the labels from them; returns the ledger."""
    run: Mapping[str, Any] = parts[0].account.run
    job = _reading_job(settings)
    with ExitStack() as opened:
        store = opened.enter_context(AnswerStore(work / STORE))
        sentences = opened.enter_context(SentenceFile(work / CORPUS, work / "index"))
        run_id = store.open_run(run)
        store.set_work(run_id, Work(sentences.sha256, len(sentences)))
        sources = []
        for part in parts:
            source = opened.enter_context(AnswerStore(part.folder / STORE, read_only=True))
            source.PIECE = max(64, _ROWS_IN_MEMORY // len(parts))
            sources.append(_rows(part, source, sentences))
        for answer, logprobs in heapq.merge(*sources, key=lambda row: row[0].sentence_no):
            store.add(run_id, answer, logprobs={} if logprobs is None else {answer.sentence_no: logprobs})
        return export(sentences, job, store, run_id, work, export_inputs(run, sentences.sha256, Further(job)))


def _rows(part: Part, source: AnswerStore, sentences: Sentences) -> Iterator[tuple[StoredAnswer, str | None]]:
    """A shard's answers with what is kept of their tokens, ascending: one to each of its sentences, and to no other."""
    account = part.account
    run_id = next((number for number, run in source.runs().items() if run == account.run), None)
    stored = 0 if run_id is None else source.count(run_id)
    expected = int(in_shard(sentences.keys, account.shard, account.shards).sum())
    if run_id is None or stored < expected:
        _refuse_unfinished(part, expected - stored)
        return
    for answer in source.answers(run_id):
        number = answer.sentence_no
        key = int(sentences.keys[number]) if number < len(sentences) else None
        if key != answer.text_key:
            problem = (
                f"its answer to sentence {number} ({answer.sentence_id[:60]!r}) is to another text than the corpus has"
            )
            raise InputError(f"{problem} there; annotate the shard again", path=source.path)
        owner = answer.text_key % (1 << 64) % account.shards + 1
        if owner != account.shard:
            problem = f"shard {_name(part)} has an answer to sentence {number} ({answer.sentence_id[:60]!r}), which "
            raise InputError(f"{problem}belongs to shard {owner}/{account.shards}", path=source.path)
        yield answer, source.logprobs(run_id, answer) if answer.copy_of is None else None


def _reading_job(settings: AnnotatorSettings) -> AnnotationJob:
    """What reading answers takes; worked examples and the engine do not matter to it."""
    prompt = Prompt(settings.prompt, settings.labels, answer_format(settings.format), thinking=settings.thinking)
    return AnnotationJob(
        prompt=prompt,
        sampling=settings.sampling,
        constrained=settings.constrained,
        engine_identity={},
        logprobs=settings.logprobs,
        nested=settings.nested,
    )
