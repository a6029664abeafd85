"""The annotation interface: chat messages in, text out, as GPT-4's chat API has it.

Everything above this line (prompts, formats, alignment, store) is the same whichever model answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

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
    logprobs: bool = False
    prompt_token_ids: bool = False


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
