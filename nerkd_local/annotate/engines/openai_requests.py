"""Questions in the words of OpenAI's chat API, and in vLLM's own where the server is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nerkd_local.annotate.completer import Message, Request
from nerkd_local.annotate.engines.loops import LOOP
from nerkd_local.annotate.settings import ServerSettings
from nerkd_local.errors import InputError

_DRAWS = 1_000_003

CANARY = "ZX[0-9]{3}QV"
"""An answer that no model gives to a greeting unless it is made to."""


def write_request(
    request: Request, settings: ServerSettings, room: int | None, blank: Callable[[str], str]
) -> dict[str, Any]:
    """Arguments for the client. `room` is the most tokens that the model can read and write, where it is known;
    `blank` takes control tokens out of texts.

    Every switch that shapes the sampling is set: a server fills in what is left out from the model folder's
    generation_config.json, which often has a top_p, a top_k or a penalty. The engine in this process has none.
    """
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": [{"role": message.role, "content": blank(message.content)} for message in request.messages],
        # more than the model has room for is an error over HTTP; in process the answer just ends there
        "max_tokens": min(request.max_tokens, room or request.max_tokens),
        "temperature": request.temperature,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
    if settings.seed is not None:
        # several draws of one question with one seed would be one draw
        body["seed"] = settings.seed if not request.sample else settings.seed + _DRAWS * request.sample
    if request.logprobs:
        body["logprobs"] = True
    if settings.dialect == "plain":
        return body
    more: dict[str, Any] = {
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "skip_special_tokens": not request.keep_control_tokens,
    }
    if request.grammar:
        more["structured_outputs"] = {"grammar": request.grammar}
    elif request.constraint:
        more["structured_outputs"] = {"regex": request.constraint}
    if request.stop_loops:
        more["repetition_detection"] = LOOP
    if request.chat_template_kwargs:
        more["chat_template_kwargs"] = dict(request.chat_template_kwargs)
        # the server writes gpt-oss's prompts without its template, and takes this one from here alone
        if effort := request.chat_template_kwargs.get("reasoning_effort"):
            more["reasoning_effort"] = effort
    if request.prompt_token_ids:
        more["return_token_ids"] = True
    return {**body, "extra_body": more}


def check_plain(request: Request) -> None:
    """Raise InputError if OpenAI's own words cannot say what the request needs."""
    asked = {
        "a grammar (leave out verbatim)": request.grammar,
        "a constraint (set constrained: false)": request.constraint,
        "chat_template_kwargs": request.chat_template_kwargs,
        "thinking in the answer's text (set thinking: apart)": request.keep_control_tokens,
    }
    needs = [name for name, value in asked.items() if value]
    if needs:
        raise InputError(f"engine.dialect is plain, and OpenAI's chat API has no word for {', '.join(needs)}")


def write_canary(like: Request) -> Request:
    """A question that only a constraint answers: servers accept fields they do not know, and answer freely."""
    room = max(128, like.max_tokens)  # the constraint may begin after thinking only
    told = like.chat_template_kwargs
    return Request(like.key, (Message("user", "Hello!"),), room, CANARY, chat_template_kwargs=told)
