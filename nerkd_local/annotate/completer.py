"""The annotation interface: chat messages in, text out, as GPT-4's chat API has it.

Everything above this line (prompts, formats, alignment, store) is the same whichever model answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "too_long"]
"""Why an answer ended: by itself, at `max_tokens`, or never begun because the prompt exceeds the model's room."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One question. `key` comes back with the answer, since answers arrive out of order.

    `constraint` is a regular expression that the whole answer has to match; None leaves the model free.
    """

    key: int
    messages: tuple[Message, ...]
    max_tokens: int
    constraint: str | None = None
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer with what it cost, in the model's own tokens."""

    key: int
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int


class Completer(Protocol):
    """A model that answers chats."""

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One completion for every request, each as soon as it has ended, in any order.

        Requests are taken lazily and only a bounded number is in flight, so an endless iterable is fine.
        A request that cannot be answered at all still comes back (`finish_reason="too_long"`).
        """
        ...

    def close(self) -> None:
        """Free the engine's memory and processes. Calling it twice is fine."""
        ...
