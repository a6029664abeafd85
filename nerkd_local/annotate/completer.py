"""The annotation interface: chat messages in, text out, as GPT-4's chat API has it.

Everything above this line (prompts, formats, alignment, store) is the same whichever model answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "loop", "too_long", "failed"]
"""Why an answer ended.

stop      by itself
length    at `max_tokens`
loop      it repeated itself without end and was stopped
too_long  never begun: the prompt exceeds the model's room
failed    the engine died of this request, each time and also when it was asked nothing else
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One question. `key` comes back with the answer, since answers arrive out of order.

    `constraint` is a regular expression that the whole answer has to match; None leaves the model free. `grammar`, in
    EBNF as xgrammar reads it, takes its place where both are given.
    `logprobs` and `prompt_token_ids` ask for what `Completion` describes under these names.
    """

    key: int
    messages: tuple[Message, ...]
    max_tokens: int
    constraint: str | None = None
    temperature: float = 0.0
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """What the model's chat template is told besides the messages."""
    keep_control_tokens: bool = False
    """Leave the model's control tokens in the answer's text: what it writes before the answer ends with one."""
    stop_loops: bool = False
    """Stop an answer that repeats itself (`finish_reason="loop"`), where the engine can."""
    logprobs: bool = False
    prompt_token_ids: bool = False
    grammar: str | None = None
    sample: int = 0
    """Which of several draws this is, from 1, where the same question is asked several times with a temperature. A
    server gets a seed of its own for each. vLLM in this process gets none with the question: its CPU engine dies of one
    (0.32: "CPU Generator does not use offset"), so that the order of the questions has to tell the draws apart."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer with what it cost, in the model's own tokens.

    Where they were asked for: `logprobs` has the answer's tokens in order (their text, and the natural logarithm of
    the probability the model gave them) and ends with the token that ended it. vLLM 0.32 takes them before the
    temperature but after the constraint, "raw" as it calls them: they are shares among the tokens that were admitted,
    and a token that the constraint forced has 0. `prompt_token_ids` is the whole prompt as the model read it; None
    where an engine cannot tell. Both are None where no answer was begun.
    """

    key: int
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int
    logprobs: tuple[tuple[str, float], ...] | None = None
    prompt_token_ids: tuple[int, ...] | None = None
    cached_tokens: int | None = None
    """Tokens of the prompt that the engine had computed before (prefix cache); None where it does not tell."""
    masked: bool = False
    """Whether `logprobs` are shares among what a constraint admitted."""


class Feed:
    """The requests of one call of `complete`, drawn as there is room for them."""

    def __init__(self, requests: Iterable[Request | None]) -> None:
        self._source = iter(requests)
        self.over = False
        """Whether the last one was drawn."""

    def draw(self) -> Request | None:
        """The next request; None if there is none just now, or none any more."""
        if self.over:
            return None
        try:
            return next(self._source)
        except StopIteration:
            self.over = True
            return None


class EngineDied(Exception):
    """The engine is gone, and what was in flight has no answer. The same requests may be asked of a new one."""


class Completer(Protocol):
    """A model that answers chats."""

    @property
    def in_flight(self) -> int:
        """How many requests it takes before it hands the first answer on: enough to keep the model busy."""
        ...

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """One completion for every request, each as soon as it has ended, in any order.

        Requests are taken lazily and at most `in_flight` are out, so an endless iterable is fine. The iterable may
        give None while answers are outstanding: nothing to ask just now, go on with those. A request that cannot be
        answered at all still comes back (`finish_reason="too_long"`). Raises EngineDied where the engine ended.
        """
        ...

    def close(self) -> None:
        """Free the engine's memory and processes. Calling it twice is fine."""
        ...
