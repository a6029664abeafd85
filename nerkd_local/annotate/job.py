"""What is asked of every sentence of a run, and everything its answers depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nerkd_local.annotate.attempts import Question
from nerkd_local.annotate.completer import Request
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reasoning import is_in_text
from nerkd_local.annotate.retrieval import Retrieval
from nerkd_local.annotate.settings import Logprobs, SamplingSettings
from nerkd_local.annotate.verbatim import VERBATIM_VERSION, Verbatim
from nerkd_local.corpus.nesting import Nested
from nerkd_local.records import Document

SYSTEM_ROLE = "system_role"
"""In a job's identity: False where the first user message begins with the instructions, None where it is not known;
absent where there is a system message."""

ASKING_VERSION = 2
"""Raised when the same settings would get other answers. 2: room for the answer grows with the sentence."""

_LOOPING = 8
"""A word that stands so many times in a text may rightly stand so many times in a row in an answer."""


@dataclass(frozen=True, slots=True)
class AnnotationJob:
    """What is asked of every sentence, and what is known of the engine that is asked.

    `knows_system_role` is None where that cannot be found out, since the model is not at hand. `free_first` leaves
    the constraint to the answers that need it (see `attempts`), which changes how fast they come, not what they are.
    """

    prompt: Prompt
    sampling: SamplingSettings
    constrained: bool
    engine_identity: Mapping[str, Any]
    reasoning_tokens: int = 0
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    knows_system_role: bool | None = True
    free_first: bool = True
    verbatim: bool = False
    """Whether the constraint is a grammar of the sentence (see `verbatim`)."""
    window: int = 1
    """So many sentences are asked about together, at most (see `windows`)."""
    nested: Nested = "outermost"
    """How mentions are read that stand one inside another. The answers are the same, so the identity is, too."""
    logprobs: Logprobs = "none"
    """Which log-probabilities of the answers' tokens are kept (see `AnnotatorSettings`)."""
    sample: int = 0
    """Which of several draws this is, from 1; 0 for a job that is asked once."""
    retrieval: Retrieval | None = None
    """What chooses worked examples for each sentence, in place of the prompt's own."""

    def identity(self) -> dict[str, Any]:
        """Everything the answers depend on. Another value is another run in the store, never a mixed one.

        What a plain chat does without is named only where it is used, so that identities stay short.
        """
        more = {
            "thinking": self.prompt.thinking if self.prompt.thinking != "none" else None,
            "reasoning_tokens": self._room or None,
            "chat_template_kwargs": dict(self.chat_template_kwargs) or None,
            "verbatim": VERBATIM_VERSION if self.verbatim else None,
            "window": self.window if self.window > 1 else None,
            "logprobs": self.logprobs if self.logprobs != "none" else None,
            "sample": self.sample or None,
            "demonstrations": self.retrieval.identity if self.retrieval else None,
        }
        return {
            "asking": ASKING_VERSION,
            "engine": dict(self.engine_identity),
            "prompt": self.prompt.version,
            "prompt_sha256": self.prompt.fingerprint,
            "labels": list(self.prompt.labels),
            "format": self.prompt.format.name,
            "constraint": self.prompt.constraint if self.constrained else None,
            "sampling": self.sampling.model_dump(mode="json"),
            **{name: value for name, value in more.items() if value is not None},
            **({} if self.knows_system_role else {SYSTEM_ROLE: self.knows_system_role}),
        }

    @property
    def is_further(self) -> bool:
        """Whether it builds on the answers of another run in the same store."""
        return self.sample > 0

    @property
    def _room(self) -> int:
        """Tokens for what stands before the answer."""
        return self.reasoning_tokens if self._reasons else 0

    @property
    def _reasons(self) -> bool:
        return self.prompt.has_steps or self.prompt.thinking != "none"

    def question(self, key: int, document: Document, shown: Sequence[Document] | None = None) -> Question:
        """The question about one sentence, with the worked examples `shown` or, where that is None, the prompt's own.

        In full, and as briefly as it is asked first.
        """
        room = self._room_for(document)
        verbatim = Verbatim(self.prompt, document) if self.verbatim else None
        full = Request(
            key,
            self.prompt.messages(document, shown),
            max(self.sampling.max_tokens, room) + self._room,
            self.prompt.constraint if self.constrained else None,
            self.sampling.temperature,
            chat_template_kwargs=self.chat_template_kwargs,
            keep_control_tokens=is_in_text(self.prompt.thinking),
            stop_loops=not _repeats_itself(document.text),
            logprobs=self.logprobs != "none",
            sample=self.sample,
            grammar=verbatim.grammar if verbatim else None,
        )
        admits = verbatim.admits if verbatim else None
        at_once = self._reasons or self.sampling.temperature > 0
        if at_once and self.logprobs != "raw":
            return Question(full, full)  # what reasoning takes is in no sentence, and a drawn answer is drawn once
        free = self.constrained and {"none": self.free_first, "raw": True, "masked": False}[self.logprobs]
        brief = full.max_tokens if at_once else min(self.sampling.max_tokens * self.window, room)
        first = replace(full, max_tokens=brief)
        return Question(full, replace(first, constraint=None, grammar=None) if free else first, admits)

    def _room_for(self, document: Document) -> int:
        """Tokens that hold nearly every honest answer to a sentence: half of its words named, in short tokens.

        An answer that takes more is asked for again with room for it, so this decides on time alone.
        """
        words = len(document.tokens)
        return 8 + len(document.text) // 2 + words * self.prompt.format.tokens_a_mention // 2


def _repeats_itself(text: str) -> bool:
    words = text.split()
    return len(words) >= _LOOPING and Counter(words).most_common(1)[0][1] >= _LOOPING
