"""The second pass: the model is shown each of its mentions with the type it gave, and says yes or no."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.align import ALIGNMENT_VERSION
from nerkd_local.annotate.attempts import Question
from nerkd_local.annotate.completer import Message, Request
from nerkd_local.annotate.formats import Answer, Mention
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.prompts import Prompt, one_line, text_line
from nerkd_local.annotate.reading import read_stored
from nerkd_local.annotate.reasoning import allow_thinking, is_in_text, skip_thinking
from nerkd_local.annotate.sentences import HashedSentences
from nerkd_local.annotate.signals import TokenRanges
from nerkd_local.annotate.token_logprobs import TokenLogprobs
from nerkd_local.records import Document
from nerkd_local.store.answers import AnswerStore

VERSION = "verify.v1"
"""The template. A changed text is a new version."""

_TOKENS_A_VERDICT = 8
_VERDICT = re.compile(r"^ *(\d{1,6})\t(yes|no) *\r?$", re.MULTILINE)


class Verdicts:
    """The answer format of the second pass: `number<TAB>yes` or `number<TAB>no`, one line a mention."""

    name = "verdicts"
    tokens_a_mention = _TOKENS_A_VERDICT

    def instructions(self, labels: Sequence[str]) -> str:
        return (
            "Answer with one line for each mention, in the order of the list: its number, a tab, and yes or no. "
            "Write nothing else."
        )

    def write(self, mentions: Sequence[Mention]) -> str:
        return "\n".join(f"{number}\tyes" for number in range(1, len(mentions) + 1))

    def parse(self, text: str) -> Answer:
        """No mentions: what was said of which is read by `VerificationPrompt.verdicts`."""
        lines = [line for line in text.split("\n") if line.strip()]
        return Answer((), len(lines) - len(_VERDICT.findall(text)))

    def constraint(self, labels: Sequence[str]) -> str:
        return r"[0-9]+\t(yes|no)(\n[0-9]+\t(yes|no))*"


class VerificationPrompt(Prompt):
    """Chat messages about a sentence and the mentions in it, which are its document's spans."""

    def __init__(self, base: Prompt) -> None:
        """With the labels of the prompt by which the mentions were found, and its model's ways."""
        super().__init__("standard", base.labels, Verdicts(), system_role=base.system_role, thinking=base.thinking)
        self.version = VERSION

    def messages(self, document: Document, demonstrations: Sequence[Document] | None = None) -> tuple[Message, ...]:
        """The whole chat for one sentence: the numbered mentions, and then the sentence in the last line."""
        mentions = [
            f"{number}. {one_line(document.text[span.start : span.end])} ({span.label})"
            for number, span in enumerate(document.spans, 1)
        ]
        question = "\n".join([*mentions, text_line(document.text)])
        (instructions,) = self.prefix
        if self.system_role:
            return (instructions, Message("user", question))
        return (Message("user", f"{instructions.content}\n\n{question}"),)

    def constraint_for(self, count: int) -> str:
        """The regular expression of all whole answers about so many mentions."""
        lines = r"\n".join(rf"{number}\t(yes|no)" for number in range(1, count + 1))
        return allow_thinking(lines, self.thinking)

    def verdicts(self, text: str, *, constrained: bool) -> dict[int, tuple[bool, int, int]]:
        """By the mention's number (from 1): whether it is one, and where that word stands in the answer.

        A number that is judged twice, differently, has no verdict.
        """
        answer = skip_thinking(text, self.thinking, constrained=constrained)
        if answer is None:
            return {}
        offset = len(text) - len(answer)
        found: dict[int, tuple[bool, int, int]] = {}
        contradicted = set()
        for match in _VERDICT.finditer(answer):
            number, yes = int(match[1]), match[2] == "yes"
            if number in found and found[number][0] != yes:
                contradicted.add(number)
            found.setdefault(number, (yes, match.start(2) + offset, match.end(2) + offset))
        return {number: verdict for number, verdict in found.items() if number not in contradicted}


@dataclass(frozen=True, slots=True)
class VerificationJob(AnnotationJob):
    """The second pass as a run of its own. `base` is the identity of the run whose mentions it is about, which depend
    on how its answers are read, too.
    """

    base: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """As `AnnotationJob.identity`, with what the mentions depend on: the base run's, and how it is read."""
        # the two-argument form: a dataclass with slots is another class than the one that super() would look for
        return {**AnnotationJob.identity(self), "base": dict(self.base), "reading": [ALIGNMENT_VERSION, self.nested]}

    @property
    def is_further(self) -> bool:
        """See `AnnotationJob`."""
        return True

    def question(self, key: int, document: Document, shown: Sequence[Document] | None = None) -> Question:
        """The question about a sentence whose spans are the mentions to judge. Always asked under the constraint."""
        assert isinstance(self.prompt, VerificationPrompt)
        count = len(document.spans)
        request = Request(
            key,
            self.prompt.messages(document),
            _TOKENS_A_VERDICT * (count + 1) + self._room,
            self.prompt.constraint_for(count) if self.constrained else None,
            chat_template_kwargs=self.chat_template_kwargs,
            keep_control_tokens=is_in_text(self.prompt.thinking),
            logprobs=self.logprobs != "none",
        )
        return Question(request, request)


def verification_job(job: AnnotationJob) -> VerificationJob:
    """The second pass to a base run."""
    return VerificationJob(
        prompt=VerificationPrompt(job.prompt),
        sampling=job.sampling.model_copy(update={"temperature": 0.0}),
        constrained=job.constrained,
        engine_identity=job.engine_identity,
        reasoning_tokens=job.reasoning_tokens,
        chat_template_kwargs=job.chat_template_kwargs,
        knows_system_role=job.knows_system_role,
        free_first=False,
        # of an answer that the constraint binds they are the shares of yes and no
        logprobs="none" if job.logprobs == "none" else "masked" if job.constrained else "raw",
        nested=job.nested,
        base=job.identity(),
    )


class FoundMentions:
    """The sentences of a corpus, each with the spans of its stored answer (`HashedSentences`)."""

    def __init__(self, sentences: HashedSentences, store: AnswerStore, run_id: int, job: AnnotationJob) -> None:
        self._sentences = sentences
        self.sha256 = sentences.sha256
        self._store = store
        self._run_id = run_id
        self._job = job

    @property
    def keys(self) -> NDArray[np.int64]:
        """See `Sentences`."""
        return self._sentences.keys

    def __len__(self) -> int:
        return len(self._sentences)

    def __getitem__(self, number: int, /) -> Document:
        return self._with_spans(number, self._sentences[number])

    def __iter__(self) -> Iterator[Document]:
        return (self._with_spans(number, document) for number, document in enumerate(self._sentences))

    def _with_spans(self, number: int, document: Document) -> Document:
        answer = self._store.answer(self._run_id, number)
        spans = () if answer is None else read_stored(document, answer, self._job).spans
        return replace(document, spans=spans)


def read_verdicts(text: str, count: int, job: VerificationJob, logprobs: TokenLogprobs | None) -> list[float | None]:
    """The probability of yes for each of so many mentions; None for one without a verdict.

    With log-probabilities: that of the word that was written, or what it leaves to the other one; under a constraint
    these are the shares of yes and no. Without: 1 or 0.
    """
    assert isinstance(job.prompt, VerificationPrompt)
    verdicts = job.prompt.verdicts(text, constrained=job.constrained)
    tokens = None if logprobs is None else TokenRanges(logprobs)
    found: list[float | None] = []
    for number in range(1, count + 1):
        if number not in verdicts:
            found.append(None)
            continue
        yes, start, end = verdicts[number]
        chance = math.exp(min(0.0, math.fsum(tokens.over(start, end)))) if tokens else 1.0
        found.append(round(chance if yes else 1 - chance, 4))
    return found
