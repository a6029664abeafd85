"""What a server with OpenAI's chat API sends back, read strictly: a reply is what it should be, or an error."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from nerkd_local.annotate.completer import Completion, FinishReason, Request
from nerkd_local.annotate.engines.server_trouble import Secrets, Trouble
from nerkd_local.errors import InputError
from nerkd_local.quoting import quoted

_USABLE: dict[str | None, FinishReason] = {"stop": "stop", "length": "length"}
_LOOPED: dict[str | None, FinishReason] = {"repetition": "loop"}  # vLLM's own


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


class _PromptTokens(BaseModel):
    cached_tokens: Annotated[int, Field(ge=0)] | None = None


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]
    prompt_tokens_details: _PromptTokens | None = None


class ChatReply(BaseModel):
    """One answer."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage
    prompt_token_ids: tuple[int, ...] | None = None  # vLLM's own


R = TypeVar("R", bound=BaseModel)


def read_reply(kind: type[R], content: bytes, content_type: str, secrets: Secrets) -> R:
    """The reply in a response's body.

    Raises Trouble for a body that is no JSON (a proxy's page, or the beginning of a reply that was cut off), and
    InputError, with the body's beginning, for JSON of another shape.
    """
    seen = secrets.show(content.decode("utf-8", "replace"))
    if content_type and "json" not in content_type.lower():
        raise Trouble("not JSON", f"sends no JSON (content type {secrets.show(content_type)!r}, seen: {seen!r})")
    shown = quoted(seen, len(seen))  # half a reply, or another shape of one: the answer may stand in it
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise Trouble("cut off", f"sends half a reply, or no JSON (seen: {shown})") from None
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"the server's reply is none of OpenAI's chat API ({f'{where}: ' if where else ''}{first['msg']}); "
            f"is engine.base_url right? seen: {shown}"
        ) from None


def read_completion(request: Request, reply: ChatReply, *, is_vllm: bool) -> Completion:
    """The completion in a reply to that request.

    Raises Trouble where the server gave the request up ("abort": it is shutting down, and half an answer must not
    be stored as one), InputError where the answer ended in a way that will come again, or logprobs were asked for
    and are not there.
    """
    choice, usage = reply.choices[0], reply.usage
    if choice.finish_reason == "abort":
        raise Trouble("given up", "gave up a request (is it shutting down?)")
    usable = _USABLE | _LOOPED if is_vllm else _USABLE
    if choice.finish_reason not in usable:
        raise InputError(
            f"the server ended an answer with finish reason {choice.finish_reason!r}; only stop and length are usable"
        )
    logprobs = None
    if request.logprobs:
        if choice.logprobs is None or choice.logprobs.content is None:
            raise InputError("logprobs were asked for, and this server gives none")
        logprobs = tuple((token.token, token.logprob) for token in choice.logprobs.content)
    return Completion(
        request.key,
        choice.message.content or "",  # a server that keeps the thinking apart may have nothing else to give
        usable[choice.finish_reason],
        usage.prompt_tokens,
        usage.completion_tokens,
        logprobs,
        reply.prompt_token_ids if request.prompt_token_ids else None,
        usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None,
        masked=bool(request.constraint or request.grammar),
    )
