"""One shard of a corpus into a folder of its own, which `store merge` puts together with the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerkd_local.annotate.agenda import in_shard
from nerkd_local.annotate.asking import Asking
from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.engines.start import check_engine, engine_gpus
from nerkd_local.annotate.folder import prepare_job, same_run
from nerkd_local.annotate.selection import Selection, read_selection
from nerkd_local.annotate.sentences import SentenceFile
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.errors import InputError
from nerkd_local.files import write_json
from nerkd_local.records import Document
from nerkd_local.settings import Settings, load_json_settings
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.seal import check_seal, read_seal

ACCOUNT = "shard.json"

MOST = 10_000
"""Shards of one corpus."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number` (from 1) of `count`: the texts whose key leaves number - 1 when divided by count."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def folder_name(self) -> str:
        """Where its work is, within an output folder."""
        return f"shard-{self.number}-of-{self.count}"


def parse_shard(text: str) -> Shard:
    """The shard that `i/n` names. Raises InputError for anything else."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match and 1 <= int(match[1]) <= int(match[2]) <= MOST:
        return Shard(int(match[1]), int(match[2]))
    raise InputError(f"{text!r} is no shard; write i/n, such as 2/8: i from 1 to n, n at most {MOST:,}")


class ShardAccount(Settings):
    """What a shard's folder holds: `answers` of the `share` sentences that are its own, of `sentences` in the corpus.

    Written when the work ends, whole or not; while it goes on there is none.
    """

    shard: int
    shards: int
    corpus_sha256: str
    sentences: int
    share: int
    answers: int
    run: dict[str, Any]
    """The job's identity."""

    @property
    def is_whole(self) -> bool:
        """Whether every sentence of the shard has its answer."""
        return self.answers >= self.share

    def __str__(self) -> str:
        return f"shard {self.shard}/{self.shards}: {self.answers:,} of {self.share:,} answers are stored"


def read_account(folder: Path) -> ShardAccount | None:
    """What a sealed shard's folder says of itself; None if there is none. Raises InputError if it is damaged."""
    seal = read_seal(folder)
    if seal is None or not {ACCOUNT, "answers.sqlite"} <= seal.keys():
        return None
    check_seal(folder)
    return load_json_settings(ShardAccount, folder / ACCOUNT)


def finished_shard(
    folder: Path, shard: Shard, settings: AnnotatorSettings, pool: Sequence[Document], selection: Selection
) -> ShardAccount | None:
    """The account of this shard, if it is complete, sealed, and of this annotator and this very selection.

    Raises InputError where its seal is there and does not fit, and for settings that shards cannot have.
    """
    _refuse_windows(settings)
    account = read_account(folder)
    if account is None or not account.is_whole or (account.shard, account.shards) != (shard.number, shard.count):
        return None
    kept = read_selection(folder)
    if kept is None or kept.corpus_sha256 != account.corpus_sha256 or not selection.of_now().is_of(kept):
        return None
    same = same_run(prepare_job(settings, pool, seed=selection.seed).identity(), account.run)
    return account if same else None


def _refuse_windows(settings: AnnotatorSettings) -> None:
    if settings.window > 1:
        problem = f"window: {settings.window} asks about sentences together that shards would part"
        raise InputError(f"{problem}; leave out --shard, or the window")


def annotate_shard(
    corpus: Path,
    index: Path,
    folder: Path,
    settings: AnnotatorSettings,
    engine: Completer,
    pool: Sequence[Document],
    shard: Shard,
    *,
    seed: int,
    say: Callable[[str], None],
) -> ShardAccount:
    """Ask what the folder's store lacks of a shard of a file of documents; returns what it holds then.

    `index` is the folder of the file's index. Raises InputError, InterruptedRun (see `Annotation.ask`).
    """
    _refuse_windows(settings)
    job = prepare_job(settings, pool, seed=seed)
    if settings.votes or settings.verify:
        say("further answers are asked when the shards are merged, by nerkd annotate into the merged folder")
    check_engine(settings.engine)
    with AnswerStore(folder / "answers.sqlite") as store, SentenceFile(corpus, index) as sentences:
        (folder / ACCOUNT).unlink(missing_ok=True)
        try:
            gpus = engine_gpus(settings.engine)
            asking = Asking(engine, store, folder, say, settings.deduplicate, shard.number, shard.count, gpus)
            asking.ask_missing(sentences, job)
        finally:
            account = ShardAccount(
                shard=shard.number,
                shards=shard.count,
                corpus_sha256=sentences.sha256,
                sentences=len(sentences),
                share=int(in_shard(sentences.keys, shard.number, shard.count).sum()),
                answers=store.count(store.open_run(job.identity())),
                run=job.identity(),
            )
            write_json(folder / ACCOUNT, account.model_dump(mode="json"))
    return account
