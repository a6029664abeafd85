"""What a server with OpenAI's chat API sends back, read strictly: a reply is what it should be, or an error."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from nerkd_local.annotate.completer import Completion, FinishReason, Request
from nerkd_local.errors import InputError, InterruptedRun

_SHOWN = 200
_USABLE: dict[str | None, FinishReason] = {"stop": "stop", "length": "length"}


class _Model(BaseModel):
    id: str
    max_model_len: int | None = None  # vLLM's own


class ModelList(BaseModel):
    """The models that a server has."""

    data: list[_Model]


class _Token(BaseModel):
    token: str
    logprob: float


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]


class ChatReply(BaseModel):
    """One answer."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage
    prompt_token_ids: tuple[int, ...] | None = None  # vLLM's own


R = TypeVar("R", bound=BaseModel)


def read_reply(kind: type[R], content: bytes) -> R:
    """The reply in a response's body. Raises InputError, with the body's beginning, for anything else."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"the server's reply is none of OpenAI's chat API ({f'{where}: ' if where else ''}{first['msg']}); "
            f"is engine.base_url right? seen: {one_line(content.decode('utf-8', 'replace'))!r}"
        ) from None


def read_completion(request: Request, reply: ChatReply) -> Completion:
    """The completion in a reply to that request.

    Raises InterruptedRun where the server gave the request up ("abort": it is shutting down, and half an answer
    must not be stored as one), InputError where the answer ended in a way that will come again, or logprobs were
    asked for and are not there.
    """
    choice = reply.choices[0]
    reason = choice.finish_reason
    if reason == "abort":
        raise InterruptedRun("the server gave up a request (is it shutting down?); the same command goes on")
    if reason not in _USABLE:
        raise InputError(f"the server ended an answer with finish reason {reason!r}; only stop and length are usable")
    logprobs = None
    if request.logprobs:
        if choice.logprobs is None or choice.logprobs.content is None:
            raise InputError("logprobs were asked for, and this server gives none")
        logprobs = tuple((token.token, token.logprob) for token in choice.logprobs.content)
    return Completion(
        request.key,
        choice.message.content or "",  # a server that keeps the thinking apart may have nothing else to give
        _USABLE[reason],
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
        logprobs,
        reply.prompt_token_ids if request.prompt_token_ids else None,
    )


def one_line(text: str) -> str:
    """The beginning of foreign text, fit for a terminal: one line, printable, cut short."""
    text = " ".join(text[: 4 * _SHOWN].split())
    return "".join(letter if letter.isprintable() else "�" for letter in text)[:_SHOWN]
