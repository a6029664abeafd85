"""What is asked after a run's first answers: the same question again, drawn with a temperature, and a second pass.

Each is a run of its own in the same store, known by its job's identity, so what ends half-way goes on where it was.
Which sentences are asked again depends on the stored first answers alone.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.reading import Reading, read_stored
from nerkd_local.annotate.sentences import Sentences
from nerkd_local.annotate.settings import AnnotatorSettings, VoteSettings
from nerkd_local.annotate.signals import Signals, answer_logprob, confidence_of, signals_of
from nerkd_local.annotate.token_logprobs import TokenLogprobs
from nerkd_local.annotate.verification import VERSION, VerificationJob, read_verdicts, verification_job
from nerkd_local.annotate.votes import count_tags, count_votes
from nerkd_local.records import ANSWER_LOGPROB, CONFIDENCES, SIGNALS, TAG_VOTES, Document, Span
from nerkd_local.store.answers import AnswerStore

_OF_VOTES = ("sentences", "changed", "asked", "prompt_tokens", "output_tokens")
_ROUNDING = 1e-12
"""0.07 * 100 is 7 and a little more in floating point, which is not to be rounded up."""
_OF_VERDICTS = ("sentences", "yes", "no", "without_verdict", "prompt_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Further:
    """What is asked after the answers to `job`. It may be nothing."""

    job: AnnotationJob
    votes: VoteSettings | None = None
    verify: bool = False

    @classmethod
    def of(cls, job: AnnotationJob, settings: AnnotatorSettings) -> Further:
        """As the settings have it."""
        return cls(job, settings.votes, settings.verify)

    @property
    def samples(self) -> list[AnnotationJob]:
        """The same question, once for each further draw. Their log-probabilities are not kept: votes are counted."""
        if self.votes is None:
            return []
        sampling = self.job.sampling.model_copy(update={"temperature": self.votes.temperature})
        numbers = range(1, self.votes.samples + 1)
        return [replace(self.job, sampling=sampling, logprobs="none", sample=number) for number in numbers]

    @property
    def verification(self) -> VerificationJob | None:
        """The second pass."""
        return verification_job(self.job) if self.verify else None

    def to_json(self) -> dict[str, Any]:
        """What an export that is made with it depends on besides; empty where it is nothing."""
        votes = {"votes": self.votes.model_dump(mode="json")} if self.votes else {}
        return {**votes, **({"verification": VERSION} if self.verify else {})}


def least_sure(
    sentences: Sentences, store: AnswerStore, run_id: int, job: AnnotationJob, share: float = 1.0
) -> NDArray[np.int64]:
    """The numbers, ascending, of the share of sentences whose stored answers are least sure; at least one, if any.

    Of the sentences with a usable answer. How sure an answer is: the confidence of the least sure of its spans
    (`confidence_of`), and without spans exp(the mean over its tokens). One whose tokens are not kept is least sure of
    all. Of equals those that come first.
    """
    numbers, sure = array("q"), array("d")
    for answer in store.answers(run_id):
        reading = read_stored(sentences[answer.sentence_no], answer, job)
        if reading.state == "annotated":
            numbers.append(answer.sentence_no)
            sure.append(_sureness(reading, store.logprobs(run_id, answer)) if share < 1 else 0.0)
    count = math.ceil(share * len(numbers) * (1 - _ROUNDING))
    order = np.argsort(np.frombuffer(sure), kind="stable")[:count]
    return np.sort(np.frombuffer(numbers, dtype=np.int64)[order])


def with_mentions(sentences: Sentences, store: AnswerStore, run_id: int, job: AnnotationJob) -> NDArray[np.int64]:
    """The numbers, ascending, of the sentences whose stored answer gave them a span."""
    answers = store.answers(run_id)
    found = (answer.sentence_no for answer in answers if read_stored(sentences[answer.sentence_no], answer, job).spans)
    return np.fromiter(found, dtype=np.int64)


def _sureness(reading: Reading, kept: str | None) -> float:
    if kept is None:
        return -1.0
    logprobs = TokenLogprobs.from_json(kept)
    of_spans = [confidence_of(signals) for signals in signals_of(reading.sources, logprobs)]
    return min(of_spans) if of_spans else math.exp(min(0.0, answer_logprob(logprobs)))


class FurtherAnswers:
    """The stored answers of what was asked further, put together with the first ones, sentence by sentence."""

    def __init__(self, further: Further, sentences: Sentences, store: AnswerStore, run_id: int) -> None:
        self._further = further
        self._store = store
        self._samples = [(job, store.open_run(job.identity())) for job in further.samples]
        self._verification = further.verification
        self._verification_run = store.open_run(self._verification.identity()) if self._verification else 0
        self._chosen = np.zeros(len(sentences), dtype=bool)
        if further.votes:
            self._chosen[least_sure(sentences, store, run_id, further.job, further.votes.share)] = True
        self._votes: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._verified: Counter[str] = Counter()

    def add_to(self, number: int, document: Document) -> Document:
        """An exported document with what the further answers say of it: other spans where votes were counted, with
        their signals and confidences.
        """
        if document.meta["status"] != "annotated":
            return document
        meta = dict(document.meta)
        signals: list[Signals] = [dict(of_span) for of_span in meta.get(SIGNALS, [{}] * len(document.spans))]
        verified = self._verify(number, document.spans, signals)
        answers = [document.spans, *self._sampled(number, document)]
        spans = document.spans
        if len(answers) > 1:
            known = {"sentence": meta[ANSWER_LOGPROB]} if ANSWER_LOGPROB in meta else {}
            spans, signals = self._vote(answers, signals, known)
            meta[TAG_VOTES] = count_tags(document, answers)
        if SIGNALS in meta or verified or len(answers) > 1:
            meta |= {SIGNALS: signals, CONFIDENCES: [confidence_of(of_span) for of_span in signals]}
        return Document(document.id, document.text, document.tokens, spans, meta)

    def _vote(
        self, answers: Sequence[Sequence[Span]], signals: Sequence[Signals], known: Signals
    ) -> tuple[tuple[Span, ...], list[Signals]]:
        """The spans that the answers agree on, with their signals; `signals` are those of the first answer's spans,
        `known` what there is for others too.
        """
        ballot = count_votes(answers)
        first = dict(zip(answers[0], signals, strict=True))
        borders = {(span.start, span.end): of_span for span, of_span in first.items()}
        joined = []
        for span, votes, type_votes in zip(ballot.spans, ballot.votes, ballot.type_votes, strict=True):
            of_first = borders.get((span.start, span.end), known)
            if span not in first:  # what the first answer said of the type was about another one
                of_first = {name: value for name, value in of_first.items() if name not in ("label", "verified")}
            joined.append({**of_first, "votes": votes, "type_votes": type_votes})
        self._votes["sentences"] += 1
        self._votes["changed"] += ballot.spans != tuple(answers[0])
        return ballot.spans, joined

    def _sampled(self, number: int, document: Document) -> list[tuple[Span, ...]]:
        """The spans of each further draw that can be used."""
        found = []
        for job, run_id in self._samples if self._chosen[number] else ():
            answer = self._store.answer(run_id, number)
            if answer is None:
                continue
            self._votes["asked"] += answer.copy_of is None
            self._votes["prompt_tokens"] += answer.prompt_tokens
            self._votes["output_tokens"] += answer.output_tokens
            reading = read_stored(document, answer, job)
            self._states[reading.state] += 1
            if reading.state == "annotated":
                found.append(reading.spans)
        return found

    def _verify(self, number: int, spans: Sequence[Span], signals: Sequence[Signals]) -> bool:
        """Put the second pass' verdicts beside the spans' other signals; whether there are any."""
        if self._verification is None or not spans:
            return False
        answer = self._store.answer(self._verification_run, number)
        if answer is None:
            return False
        kept = self._store.logprobs(self._verification_run, answer)
        logprobs = None if kept is None else TokenLogprobs.from_json(kept)
        verdicts = read_verdicts(answer.answer, len(spans), self._verification, logprobs)
        for of_span, verdict in zip(signals, verdicts, strict=True):
            self._verified["without_verdict" if verdict is None else "yes" if verdict >= 0.5 else "no"] += 1
            if verdict is not None:
                of_span["verified"] = verdict
        self._verified["sentences"] += 1
        self._verified["prompt_tokens"] += answer.prompt_tokens
        self._verified["output_tokens"] += answer.output_tokens
        return True

    def to_json(self) -> dict[str, Any]:
        """The account of what was asked further, for the ledger: how much, what it cost, what it changed."""
        account: dict[str, Any] = {}
        if self._further.votes:
            account["votes"] = {
                **self._further.votes.model_dump(mode="json"),
                **{name: self._votes[name] for name in _OF_VOTES},
                "answers": dict(sorted(self._states.items())),
            }
        if self._verification:
            account["verification"] = {name: self._verified[name] for name in _OF_VERDICTS}
        return account
