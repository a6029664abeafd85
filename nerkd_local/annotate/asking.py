"""Asking what a store lacks about a corpus: a job's question, and what its settings want to be asked further."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.further import Further, least_sure, with_mentions
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import HashedSentences, SentenceFile
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.shown import ShownExamples
from nerkd_local.annotate.verification import FoundMentions
from nerkd_local.annotate.watch import Watch, describe_speed
from nerkd_local.annotate.windows import unanswered, windowed
from nerkd_local.errors import InputError
from nerkd_local.files import json_line
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import Work


def ask_missing(
    sentences: SentenceFile,
    job: AnnotationJob,
    settings: AnnotatorSettings,
    engine: Completer,
    store: AnswerStore,
    folder: Path,
    *,
    shard: int = 1,
    shards: int = 1,
    say: Callable[[str], None],
) -> int:
    """Ask what a store does not hold about a corpus, or about one shard of it; returns the run's number there.

    How fast it went is appended to `speed.jsonl` in the folder and said. Raises InputError if the store holds another
    shard, InterruptedRun after a stop signal.
    """
    annotation = open_annotation(sentences, job, settings, engine, store, folder, shard, shards, say)
    _ask(annotation, folder, say)
    run_id = annotation.run_id
    if job.window > 1 and len(lost := unanswered(sentences, job, store, run_id)):
        say(f"{len(lost):,} sentences of windows without a whole answer are asked about one by one")
        # with each of them asked: the sentence that one is a copy of may be in a window that was answered
        each = settings.model_copy(update={"deduplicate": False})
        alone = replace(job, window=1)
        single = open_annotation(sentences, alone, each, engine, store, folder, shard, shards, lambda line: None)
        _ask(single, folder, say, lost)
    return run_id


def ask_further(
    sentences: HashedSentences,
    further: Further,
    settings: AnnotatorSettings,
    engine: Completer,
    store: AnswerStore,
    run_id: int,
    folder: Path,
    *,
    say: Callable[[str], None],
) -> None:
    """Ask what the settings want after the first answers, which are run `run_id` of the store (see `further`).

    Raises InterruptedRun after a stop signal.
    """

    def ask(asked: HashedSentences, job: AnnotationJob, only: NDArray[np.int64]) -> None:
        _ask(open_annotation(asked, job, settings, engine, store, folder, 1, 1, say), folder, say, only)

    if further.votes:
        chosen = least_sure(sentences, store, run_id, further.job, further.votes.share)
        say(f"votes: {len(chosen):,} sentences, {further.votes.samples} further answers each")
        for sample in further.samples:
            ask(sentences, sample, chosen)
    if further.verification:
        chosen = with_mentions(sentences, store, run_id, further.job)
        say(f"second pass: the mentions of {len(chosen):,} sentences")
        ask(FoundMentions(sentences, store, run_id, further.job), further.verification, chosen)


def _ask(
    annotation: Annotation, folder: Path, say: Callable[[str], None], only: NDArray[np.int64] | None = None
) -> None:
    """Ask, and say how fast it went."""
    try:
        annotation.ask(only)
    finally:
        if annotation.watch.sentences:
            speed = annotation.speed()
            # a disk without room for this line must not hide that the store found none
            with suppress(OSError), (folder / "speed.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json_line(speed))
            say(describe_speed(speed))


def open_annotation(
    sentences: HashedSentences,
    job: AnnotationJob,
    settings: AnnotatorSettings,
    engine: Completer,
    store: AnswerStore,
    folder: Path,
    shard: int,
    shards: int,
    say: Callable[[str], None],
) -> Annotation:
    """The job's run in the store, begun now if there is none. Raises InputError if the store holds another shard."""
    run_id = _begin_run(store, job, say)
    if job.window > 1:
        say(f"up to {job.window:,} sentences are asked about together; each such window counts as one here")
    view = windowed(sentences, job, store, run_id)
    work = Work(sentences.sha256, len(view), shard, shards)
    known = store.work(run_id)
    if known is not None and (known.shard, known.shards) != (shard, shards):
        problem = f"holds shard {known.shard}/{known.shards} of its corpus, not {shard}/{shards}; use another folder"
        raise InputError(problem, path=store.path)
    annotation = Annotation(
        view,
        job,
        engine,
        store,
        run_id,
        Watch(),
        shard=shard,
        shards=shards,
        deduplicate=settings.deduplicate,
        shown=ShownExamples(job.retrieval, view, folder) if job.retrieval else None,
    )
    if known != work:
        store.set_work(run_id, work)
    return annotation


def _begin_run(store: AnswerStore, job: AnnotationJob, say: Callable[[str], None]) -> int:
    """The number of the job's run in the store; where it is new beside others, what it differs in is said."""
    before = {number: run for number, run in store.runs().items() if not {"sample", "base"} & run.keys()}
    run_id = store.open_run(job.identity())
    if before and run_id not in before and not job.is_further:
        counts = {other: store.count(other) for other in before}
        nearest = max(counts, key=lambda other: (counts[other], other))
        changed = describe_difference(before[nearest], job.identity())
        say(f"a new run beside one of {counts[nearest]:,} answers, which stay: {changed}")
    return run_id


def describe_difference(old: Mapping[str, Any], new: Mapping[str, Any], under: str = "") -> str:
    """What differs between two runs' settings: `sampling.max_tokens was 200 and is 300; ...`."""
    parts = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            inner = describe_difference(before, after, f"{under}{name}.")
            parts += [inner] if inner else []
        elif before != after:
            parts.append(f"{under}{name} was {_shown(before)} and is {_shown(after)}")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
