"""A corpus through an annotator: ask what is not stored yet, and store each answer as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.agenda import Agenda
from nerkd_local.annotate.attempts import Attempts, Question
from nerkd_local.annotate.completer import Completer, Completion
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.reading import read_stored
from nerkd_local.annotate.sentences import Sentences
from nerkd_local.annotate.shown import ShownExamples
from nerkd_local.annotate.token_logprobs import fit_tokens
from nerkd_local.annotate.watch import Watch
from nerkd_local.energy import Metering
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.fingerprints import text_key
from nerkd_local.records import Document
from nerkd_local.stopping import StopRequest, listen_for_stop
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer, storable

_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, without their whole part, are far from each other."""


class Annotation:
    """One run: a job's questions about sentences, to a completer, with the answers in a store."""

    def __init__(
        self,
        sentences: Sentences,
        job: AnnotationJob,
        completer: Completer,
        store: AnswerStore,
        run_id: int,
        watch: Watch,
        *,
        shard: int = 1,
        shards: int = 1,
        deduplicate: bool = True,
        shown: ShownExamples | None = None,
        metering: Metering | None = None,
    ) -> None:
        """`shown` has the worked examples of a job that retrieves them for each sentence; `metering` is begun and ended
        with the clock of `watch`.

        Raises InputError where a stored answer belongs to another text: the corpus changed.
        """
        self._sentences = sentences
        self._job = job
        self.store = store
        self.run_id = run_id
        self.watch = watch
        self._shown = shown
        self._metering = metering or Metering(())
        self._completer = completer
        self._attempts = Attempts(completer)
        try:
            self.agenda = Agenda(
                sentences, *store.answered(run_id), shard=shard, shards=shards, deduplicate=deduplicate
            )
        except InputError as error:
            raise InputError(error.problem, path=store.path) from None

    def speed(self) -> dict[str, Any]:
        """How fast it went, as plain JSON: `Watch.to_json`, what was asked again and what that cost, and joules by
        meter where there is one.
        """
        attempts, joules = self._attempts, self._metering.joules
        return {
            **self.watch.to_json(),
            "asked_again": dict(sorted(attempts.repeated.items())),
            "unused_prompt_tokens": attempts.spent_prompt,
            "unused_output_tokens": attempts.spent_output,
            **({"energy_j": joules} if joules else {}),
        }

    def ask(self, only: NDArray[np.int64] | None = None) -> None:
        """Ask about every sentence without an answer (of `only`, where that is given), and store what comes.

        Memory does not grow with the corpus. The completer is asked nothing if nothing is missing, and is left open.
        Raises InterruptedRun after a stop signal: no more is asked then, and what is out still arrives and is stored.
        """
        agenda, store, watch = self.agenda, self.store, self.watch
        numbers = agenda.asked if only is None else np.intersect1d(agenda.asked, only)
        with listen_for_stop() as stop, watch:
            if self._shown and len(numbers):
                numbers = self._shown.arrange(numbers, watch.note)
            # an engine that was started anew draws as it drew before: never the same questions in the same order
            numbers = np.roll(numbers, int(len(numbers) * (_GOLDEN * self._job.sample % 1)))
            if len(numbers) and not stop:
                self._start_engine(stop)
            total, missing = (agenda.total, agenda.missing()) if only is None else (len(only), agenda.missing(only))
            watch.start(total, total - missing)
            with self._metering:
                others = [n for number in agenda.late.tolist() for n in self._copy_stored(number)]
                while (len(numbers) or others) and not stop:
                    asked, numbers = chain(numbers, others), numbers[:0]
                    others = self._ask_all(asked, stop)
                store.commit()
        if stop:
            stored, _ = store.answered(self.run_id)
            done = len(stored) if only is None else int(np.isin(only, stored).sum())
            raise InterruptedRun(f"stopped: {done:,} of {total:,} answers are stored; the same command goes on")

    def _start_engine(self, stop: StopRequest) -> None:
        """Have an engine that starts when it is needed start now, so that its start is not taken for slow answers."""
        try:
            assert self._completer.in_flight
        except Exception:
            if not stop:  # see `_ask_all`
                raise

    def _ask_all(self, numbers: Iterable[int], stop: StopRequest) -> list[int]:
        """Ask about these; returns what turned out to be no copy, though its key is that of another text."""
        watch = self.watch
        asked: dict[int, Document] = {}
        unlike: list[int] = []

        def questions() -> Iterator[Question]:
            for number in numbers:
                if stop:
                    watch.note(f"stopping: {len(asked):,} answers are on their way; Ctrl-C again leaves them")
                    return
                with watch.time("render"):
                    number = int(number)
                    document = asked[number] = self._sentences[number]
                    shown = self._shown.of(number, document) if self._shown else None
                    question = self._job.question(number, document, shown)
                yield question

        completions = self._attempts.complete(questions())
        while True:
            try:
                with watch.time("engine"):
                    completion = next(completions, None)
            except Exception:
                # Ctrl-C reaches every process of the terminal's group, a server's too, which then is gone, or never
                # came up. An error that has nothing to do with it will be there when the run goes on.
                if not stop:
                    raise
                return unlike
            if completion is None:
                return unlike
            unlike += self._keep(asked.pop(completion.key), completion)

    def _keep(self, document: Document, completion: Completion) -> list[int]:
        """Store one answer with its copies; returns the supposed copies that are none."""
        watch, job = self.watch, self._job
        with watch.time("store"):
            answer = StoredAnswer(
                completion.key,
                document.id,
                text_key(document.text),
                storable(completion.text),
                completion.finish_reason,
                completion.prompt_tokens,
                completion.output_tokens,
            )
            copies, unlike = self._copies(answer, document)
            fitted = fit_tokens(completion, answer.answer)
            logprobs = {answer.sentence_no: fitted.to_json()} if fitted else {}
            self.store.add(self.run_id, answer, *copies, logprobs=logprobs)
        with watch.time("parse"):
            watch.answer(completion, read_stored(document, answer, job), len(copies))
        return unlike

    def _copy_stored(self, number: int) -> list[int]:
        """Copy an answer that is there already to the sentences that wait for it; returns those of another text."""
        answer = self.store.answer(self.run_id, number)
        assert answer is not None
        copies, unlike = self._copies(answer, self._sentences[number])
        self.store.add(self.run_id, *copies)
        return unlike

    def _copies(self, answer: StoredAnswer, document: Document) -> tuple[list[StoredAnswer], list[int]]:
        copies, unlike = [], []
        for number in self.agenda.copies_of(answer.sentence_no):
            other = self._sentences[number]
            if other.text == document.text:
                copies.append(
                    answer._replace(
                        sentence_no=number,
                        sentence_id=other.id,
                        prompt_tokens=0,
                        output_tokens=0,
                        copy_of=answer.sentence_no,
                    )
                )
            else:
                unlike.append(number)
        return copies, unlike
