"""Any server with OpenAI's chat API as an engine: many questions in flight over HTTP, answers as they come.

The `openai` package carries the requests, `tenacity` says when one is sent again. The client would also read a dozen
variables of the environment, one of which moves the endpoint; here it gets what the settings say, and nothing else.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import re
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from nerkd_local import offline
from nerkd_local.annotate.completer import Completion, EngineDied, Feed, Request
from nerkd_local.annotate.engines.concurrency import AdaptiveLimit, Gate
from nerkd_local.annotate.engines.control_tokens import blank_control_tokens
from nerkd_local.annotate.engines.hanging_up import Line
from nerkd_local.annotate.engines.openai_replies import ChatReply, ModelList, read_completion, read_reply
from nerkd_local.annotate.engines.openai_requests import CANARY, check_plain, write_canary, write_request
from nerkd_local.annotate.engines.refusals import says_too_long
from nerkd_local.annotate.engines.server_trouble import Secrets, Trouble, one_line, sort_failure
from nerkd_local.annotate.settings import ServerSettings
from nerkd_local.errors import InputError, InterruptedRun, NerkdError, nearest
from nerkd_local.offline import NETWORK, Profile

_CONNECT_S = 10.0
"""How long a connection may take: an answer may take minutes, a handshake not."""

_NO_KEY = "none"  # the client wants one; a server that asks for none ignores it

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses before a question is asked again, in seconds.

    Drawn anew each time between nothing and `first_s`, twice that, and so on up to `most_s` (many clients that were
    turned away together must not come back together), after what the server asked for, of which `asked_s` is granted.
    """

    first_s: float = 0.5
    most_s: float = 8.0
    asked_s: float = 60.0


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


def check_within_reach(base_url: str, profile: Profile) -> None:
    """Raise InputError if the server is on a machine that the network profile lacks: nothing would ever reach it."""
    host = urlsplit(base_url).hostname or ""
    if not profile.allows(host):
        scope = "local, this machine only" if profile.is_local else f"{profile}, without it"
        raise InputError(
            f"engine.base_url is {base_url}, on another machine, and the network is {scope}; name it as a peer: "
            f"--network 'cluster interface=NAME peers={host}' ({NETWORK})"
        )


class ServerCompleter:
    """A connection to one server and one of its models, looked up when the object is made.

    Requests run on an event loop in a thread of their own, so this works wherever a caller is, also inside another
    event loop (a notebook). No proxy and no redirection: what is asked goes to `base_url` and nowhere else.
    """

    retried: Counter[str]
    """What questions were asked again for, and how often; the names are those of `Trouble.kind`."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        key: str | None = None,
        is_gone: Callable[[], bool] = lambda: False,
        retried: Counter[str] | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        """`key` goes before the one that the settings name. `is_gone` says that the server's process has ended, by
        who started it: it is asked after each failure, and nothing is tried again then. `retried` is counted on.

        Raises InputError if the server is outside the network profile, `openai` or `tenacity` is not installed, or the
        server does not answer, or has no such model; EngineDied if it is gone.
        """
        check_within_reach(settings.base_url, offline.network())
        self._settings = settings
        self._key = key or server_key(settings)
        self._secrets = Secrets(self._key)
        self._is_gone = is_gone
        self.retried = Counter() if retried is None else retried
        self._pauses = pauses or Pauses()
        try:
            with _without_openai_variables():
                import openai
                import tenacity

                self._openai, self._tenacity = openai, tenacity
                self._client = openai.AsyncOpenAI(
                    base_url=settings.base_url,
                    api_key=self._key or _NO_KEY,
                    timeout=openai.Timeout(settings.timeout_s, connect=min(_CONNECT_S, settings.timeout_s)),
                    max_retries=0,
                    http_client=openai.DefaultAsyncHttpxClient(
                        trust_env=False,  # proxies
                        follow_redirects=False,
                        verify=ssl.create_default_context(),  # the machine's authorities, a network's own among them
                    ),
                )
        except ImportError as error:
            raise InputError(
                f"the packages openai and tenacity are needed to ask a server, and cannot be imported ({error}); "
                "install nerkd-local[server]"
            ) from None
        self._blank = blank_control_tokens(settings.control_tokens)
        self._constraint_holds = False
        self._trial = asyncio.Lock()  # of constraints
        self._answered = False
        self._room: int | None = None
        self._gate = Gate(AdaptiveLimit(settings.in_flight))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nerkd-server", daemon=True)
        self._thread.start()
        line = Line()
        self._lines = {line}
        try:
            self._room = self._run(line.hold(self._find_model()))
        except BaseException:
            self.close()
            raise

    @property
    def in_flight(self) -> int:
        """See `Completer`."""
        return self._settings.in_flight

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """Answers as the server finishes them; at most `in_flight` questions are out, fewer while it has too many.

        Raises InterruptedRun if the server stops answering (after `retries` more attempts), EngineDied if it is
        gone, InputError if it refuses a question for another reason than its length, or does not obey a constraint.
        An early end of the iteration hangs up on what is in flight, which has vLLM drop it.
        """
        waiting: set[concurrent.futures.Future[Completion]] = set()
        line = Line()
        self._lines.add(line)
        feed = Feed(requests)
        try:
            while waiting or not feed.over:
                while len(waiting) < self._settings.in_flight and (request := feed.draw()) is not None:
                    waiting.add(asyncio.run_coroutine_threadsafe(line.hold(self._ask(request)), self._loop))
                done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
                # whole answers first: what arrived together with a failure is kept
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    yield future.result()
        finally:
            self._lines.discard(line)
            if waiting:
                self._loop.call_soon_threadsafe(line.hang_up)

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
        for line in list(self._lines):
            line.hang_up()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    async def _find_model(self) -> int | None:
        """The model's room in tokens, where the server tells. Raises InputError if the server has no such model."""
        name = self._settings.model

        async def attempt() -> ModelList:
            try:
                response = await self._client.models.with_raw_response.list()
            except self._openai.OpenAIError as error:
                raise sort_failure(self._openai, error, self._settings, self._secrets) from None
            return read_reply(ModelList, response.content, response.headers.get("content-type", ""), self._secrets)

        models = {model.id: model for model in (await self._persist(attempt)).data}
        self._answered = True
        if name not in models:
            raise InputError(
                f"{self._settings.base_url} serves no model {one_line(name)!r}{nearest(name, map(one_line, models))}; "
                "set engine.model"
            )
        return models[name].max_model_len

    async def _ask(self, request: Request) -> Completion:
        if self._settings.dialect == "plain":
            check_plain(request)
        elif request.constraint or request.grammar:
            await self._try_constraint(request)
        return await self._persist(self._attempt, request)

    async def _try_constraint(self, like: Request) -> None:
        """Before the first constrained question: raise InputError if the server ignores constraints."""
        async with self._trial:
            if self._constraint_holds:
                return
            answer = await self._persist(self._attempt, write_canary(like))
            if not re.fullmatch(CANARY, answer.text.strip()):
                raise InputError(
                    f"{self._settings.base_url} ignores constraints (it was held to {CANARY} and answered "
                    f"{one_line(answer.text)!r}); ask a newer vLLM, or set constrained: false to go on without"
                )
            self._constraint_holds = True

    async def _attempt(self, request: Request) -> Completion:
        limit = self._gate.limit
        async with self._gate.passage() as cuts:
            try:
                completion = await self._exchange(request)
            except Trouble as trouble:
                if trouble.overload:
                    limit.note_overload(cuts)
                raise
            limit.note_answer()
        return completion

    async def _exchange(self, request: Request) -> Completion:
        """One question and its answer. Raises Trouble, or InputError."""
        body = write_request(request, self._settings, self._room, self._blank)
        try:
            response = await self._client.chat.completions.with_raw_response.create(**body)
        except self._openai.OpenAIError as error:
            if isinstance(error, self._openai.BadRequestError) and says_too_long(str(error)):
                return Completion(request.key, "", "too_long", 0, 0)
            raise sort_failure(self._openai, error, self._settings, self._secrets) from None
        reply = read_reply(ChatReply, response.content, response.headers.get("content-type", ""), self._secrets)
        return read_completion(request, reply, is_vllm=self._settings.dialect == "vllm")

    async def _persist(self, attempt: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Make the attempt until it succeeds or no retry is left; count what was tried again."""
        retrying = self._tenacity.AsyncRetrying(
            retry=self._tenacity.retry_if_exception(lambda error: isinstance(error, Trouble) and not self._is_gone()),
            stop=self._tenacity.stop_after_attempt(self._settings.retries + 1),
            wait=self._pause,
            before_sleep=self._count,
            reraise=True,
        )
        try:
            outcome: T = await retrying(attempt, *arguments)
        except Trouble as trouble:
            raise self._give_up(trouble) from None
        return outcome

    def _pause(self, state: Any) -> float:
        trouble, pauses = state.outcome.exception(), self._pauses
        draw = self._tenacity.wait_random_exponential(multiplier=pauses.first_s, max=pauses.most_s)
        return float(min(trouble.asked_s, pauses.asked_s) + draw(state))

    def _count(self, state: Any) -> None:
        self.retried[state.outcome.exception().kind] += 1

    def _give_up(self, trouble: Trouble) -> NerkdError | EngineDied:
        problem = f"the server at {self._settings.base_url} {trouble.problem}"
        if self._is_gone():
            return EngineDied(problem)
        if not self._answered:
            return InputError(f"{problem}; is it running, and is engine.base_url right?")
        return InterruptedRun(f"{problem}; what it has answered is stored, the same command goes on")


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
