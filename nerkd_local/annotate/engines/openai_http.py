"""Any server with OpenAI's chat API as an engine: many questions in flight over HTTP, answers as they come.

The `openai` package carries the requests (connections, retries, time limits). It would also read a dozen variables
of the environment, one of which moves the endpoint; here it gets what the settings say, and nothing else.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import re
import ssl
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel

from nerkd_local.annotate.completer import END, Completion, Message, Request
from nerkd_local.annotate.engines.control_tokens import blank_control_tokens
from nerkd_local.annotate.engines.openai_replies import ChatReply, ModelList, one_line, read_completion, read_reply
from nerkd_local.annotate.engines.refusals import says_too_long
from nerkd_local.annotate.settings import ServerSettings
from nerkd_local.errors import InputError, InterruptedRun, NerkdError, nearest

_CONNECT_S = 10.0
"""How long a connection may take: an answer may take minutes, a handshake not."""

_CANARY = "ZX[0-9]{3}QV"
"""An answer that no model gives to a greeting unless it is made to."""

_NO_KEY = "none"  # the client wants one; a server that asks for none ignores it

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")


def server_key(settings: ServerSettings) -> str | None:
    """The key from the environment variable that the settings name; None where they name none.

    Raises InputError if the variable is not set, or holds what no HTTP header can carry.
    """
    if settings.api_key_env is None:
        return None
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key:
        raise InputError(f"engine.api_key_env names {settings.api_key_env}, which is not set in the environment")
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the key in {settings.api_key_env} has characters that no HTTP header can carry")
    return key


class ServerCompleter:
    """A connection to one server and one of its models, looked up when the object is made.

    Requests run on an event loop in a thread of their own, so this works wherever a caller is, also inside another
    event loop (a notebook). No proxy and no redirection: what is asked goes to `base_url` and nowhere else.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Raises InputError if `openai` is not installed, or the server does not answer, or has no such model."""
        self._settings = settings
        self._key = server_key(settings)
        try:
            with _without_openai_variables():
                import openai

                self._openai = openai
                self._client = openai.AsyncOpenAI(
                    base_url=settings.base_url,
                    api_key=self._key or _NO_KEY,
                    timeout=openai.Timeout(settings.timeout_s, connect=min(_CONNECT_S, settings.timeout_s)),
                    max_retries=settings.retries,
                    http_client=openai.DefaultAsyncHttpxClient(
                        trust_env=False,  # proxies
                        follow_redirects=False,
                        verify=ssl.create_default_context(),  # the machine's authorities, a network's own among them
                    ),
                )
        except ImportError as error:
            raise InputError(
                f"the package openai is needed to ask a server, and cannot be imported ({error}); "
                "install nerkd-local[server]"
            ) from None
        self._blank = blank_control_tokens(settings.control_tokens)
        self._constraint_holds = False
        self._answered = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nerkd-server", daemon=True)
        self._thread.start()
        try:
            self._room = self._run(self._find_model())
        except BaseException:
            self.close()
            raise

    @property
    def in_flight(self) -> int:
        """See `Completer`."""
        return self._settings.in_flight

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """Answers as the server finishes them; at most `in_flight` questions are out.

        Raises InterruptedRun if the server stops answering (after the client's own retries), InputError if it
        refuses a question for another reason than its length, or does not obey a constraint. An early end of the
        iteration hangs up on what is in flight, which has vLLM drop it.
        """
        waiting: set[concurrent.futures.Future[Completion]] = set()
        source = iter(requests)
        exhausted = False
        try:
            while waiting or not exhausted:
                while not exhausted and len(waiting) < self._settings.in_flight:
                    request = next(source, END)
                    if request is END:
                        exhausted = True
                    elif request is None:
                        break
                    else:
                        self._check_dialect(request)
                        waiting.add(asyncio.run_coroutine_threadsafe(self._ask(request), self._loop))
                done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
                # whole answers first: what arrived together with a failure is kept
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Hang up, and end the thread. Calling it twice is fine."""
        if self._loop.is_closed():
            return
        self._run(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _hang_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    async def _find_model(self) -> int | None:
        """The model's room in tokens, where the server tells. Raises InputError if the server has no such model."""
        name = self._settings.model
        try:
            response = await self._client.models.with_raw_response.list()
        except self._openai.OpenAIError as error:
            raise self._explain(error) from None
        self._answered = True
        models = {model.id: model for model in self._read(ModelList, response.content).data}
        if name not in models:
            raise InputError(
                f"{self._settings.base_url} serves no model {one_line(name)!r}{nearest(name, map(one_line, models))}; "
                "set engine.model"
            )
        return models[name].max_model_len

    def _check_dialect(self, request: Request) -> None:
        """Raise InputError if the request needs what this server cannot do. Tried out once, for a constraint."""
        if self._settings.dialect == "plain":
            asked = {
                "a constraint (set constrained: false)": request.constraint,
                "chat_template_kwargs": request.chat_template_kwargs,
                "thinking in the answer's text (set thinking: apart)": request.keep_control_tokens,
            }
            needs = [name for name, value in asked.items() if value]
            if needs:
                raise InputError(f"engine.dialect is plain, and OpenAI's chat API has no word for {', '.join(needs)}")
        elif request.constraint and not self._constraint_holds:
            self._run(self._try_constraint(request))
            self._constraint_holds = True

    async def _try_constraint(self, like: Request) -> None:
        """Servers accept fields they do not know, and answer freely: so one question that only a constraint answers."""
        room = max(128, like.max_tokens)  # the constraint may begin after thinking only
        told = like.chat_template_kwargs
        answer = await self._ask(
            Request(like.key, (Message("user", "Hello!"),), room, _CANARY, chat_template_kwargs=told)
        )
        if not re.fullmatch(_CANARY, answer.text.strip()):
            raise InputError(
                f"{self._settings.base_url} ignores constraints (it was held to {_CANARY} and answered "
                f"{one_line(answer.text)!r}); ask a newer vLLM, or set constrained: false to go on without"
            )

    async def _ask(self, request: Request) -> Completion:
        try:
            response = await self._client.chat.completions.with_raw_response.create(**self._body(request))
        except self._openai.OpenAIError as error:
            if isinstance(error, self._openai.BadRequestError) and says_too_long(str(error)):
                return Completion(request.key, "", "too_long", 0, 0)
            raise self._explain(error) from None
        return read_completion(request, self._read(ChatReply, response.content))

    def _body(self, request: Request) -> dict[str, Any]:
        """The request in OpenAI's words, and in vLLM's where the dialect is vLLM's.

        Every switch that shapes the sampling is set: a server fills in what is left out from the model folder's
        generation_config.json, which often has a top_p, a top_k or a penalty. The engine in this process has none.
        """
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [
                {"role": message.role, "content": self._blank(message.content)} for message in request.messages
            ],
            # more than the model has room for is an error over HTTP; in process the answer just ends there
            "max_tokens": min(request.max_tokens, self._room or request.max_tokens),
            "temperature": request.temperature,
            "top_p": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
        }
        if self._settings.seed is not None:
            body["seed"] = self._settings.seed
        if request.logprobs:
            body["logprobs"] = True
        if self._settings.dialect == "plain":
            return body
        more: dict[str, Any] = {
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "skip_special_tokens": not request.keep_control_tokens,
        }
        if request.constraint:
            more["structured_outputs"] = {"regex": request.constraint}
        if request.chat_template_kwargs:
            more["chat_template_kwargs"] = dict(request.chat_template_kwargs)
            # the server writes gpt-oss's prompts without its template, and takes this one from here alone
            if effort := request.chat_template_kwargs.get("reasoning_effort"):
                more["reasoning_effort"] = effort
        if request.prompt_token_ids:
            more["return_token_ids"] = True
        return {**body, "extra_body": more}

    def _read(self, kind: type[R], content: bytes) -> R:
        try:
            return read_reply(kind, content)
        except InputError as error:
            raise InputError(self._redact(error.problem)) from None

    def _explain(self, error: Exception) -> NerkdError:
        """The client's error as one line: what stops a run that can go on later, and what somebody has to change."""
        where, openai = self._settings.base_url, self._openai
        if not isinstance(error, openai.APIStatusError):
            cause = "no answer in time" if isinstance(error, openai.APITimeoutError) else error.__cause__ or error
            return self._trouble(f"{where} does not answer ({one_line(self._redact(str(cause)))})")
        body = error.body
        message = body.get("message") if isinstance(body, dict) else None
        said = one_line(self._redact(str(message or error)))
        code = error.status_code
        if code in (408, 409, 429) or code >= 500:
            return self._trouble(f"{where} has trouble (status {code}: {said})")
        if code in (401, 403):
            named = self._settings.api_key_env
            hint = f"another key than in {named}" if named else "engine.api_key_env names the variable that holds it"
            return InputError(f"{where} wants a key; {hint} ({said})")
        if 300 <= code < 400:
            to = one_line(self._redact(error.response.headers.get("location", "elsewhere")))
            return InputError(f"{where} redirects to {to!r}, which is not followed; name that as engine.base_url")
        hint = "; is engine.base_url right? it usually ends in /v1" if code == 404 else ""
        return InputError(f"{where} refuses a request ({said}){hint}")

    def _trouble(self, problem: str) -> NerkdError:
        if not self._answered:
            return InputError(f"the server at {problem}; is it running, and is engine.base_url right?")
        return InterruptedRun(f"the server at {problem}; what it has answered is stored, the same command goes on")

    def _redact(self, text: str) -> str:
        """Text without the key, which some servers repeat when they refuse it."""
        return text.replace(self._key, "[key]") if self._key else text


@contextmanager
def _without_openai_variables() -> Iterator[None]:
    """Within the block the environment has no OPENAI_*: address, key, headers, organisation, level of logging."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith("OPENAI_")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)
