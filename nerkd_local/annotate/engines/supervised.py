"""An engine that is started again when it dies, and that loses at most the request that kills it.

Which request that is nobody tells: whatever was in flight is asked again in halves, so that each further death leaves
half as many to suspect. One that kills the engine when it is asked alone is given up; all others get their answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from nerkd_local.annotate.completer import Completer, Completion, EngineDied, Message, Request
from nerkd_local.annotate.engines.logs import tell
from nerkd_local.annotate.engines.server_trouble import one_line
from nerkd_local.annotate.prompts import text_of
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.quoting import quoted
from nerkd_local.stopping import is_stopping

_MOST_SUSPECTS = 3
"""How many requests may kill an engine that has never answered one: after that, the engine is at fault."""

_TRIALS = 2
"""How often in a row an engine may die of nothing, or of a request that it has answered before. Once may be chance."""

_GOES_ON = "what is answered is stored; the same command goes on"


class Supervised:
    """The engine that `factory` makes, begun at its first use, and begun again whenever it raises EngineDied."""

    def __init__(self, factory: Callable[[], Completer], say: Callable[[str], None] = tell) -> None:
        """`say` hears of each death, and of each request that is given up."""
        self._factory = factory
        self._say = say
        self._engine: Completer | None = None
        self._in_flight: int | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._known: Request | None = None  # one that was answered
        self.restarts = 0
        """How often the engine was started again."""

    @property
    def in_flight(self) -> int:
        """See `Completer`. Starts the engine, if it was never started; raises InputError where `factory` does."""
        if self._in_flight is None:
            self._in_flight = self._started().in_flight
        return self._in_flight

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`. The request that kills the engine comes back with `finish_reason="failed"`.

        No more is taken from `requests` while the killer is searched. Raises InputError where the engine does not
        start at all, and InterruptedRun where it cannot be started again, or dies of whatever it is asked: nothing is
        blamed on a request then. Raises EngineDied where it dies while a run is asked to stop.
        """
        suspects: list[Request] = []
        source = iter(requests)
        for_nothing = 0
        while True:
            out: dict[int, Request] = {}
            try:
                for completion in self._ask(source, out):
                    for_nothing = 0
                    yield completion
                    yield from self._convict(suspects)
                break
            except EngineDied as death:
                for_nothing = 0 if out else for_nothing + 1
                if for_nothing > _TRIALS:
                    raise InterruptedRun(f"the engine dies before it is asked ({death}); {_GOES_ON}") from death
                yield from self._search(list(out.values()), death, suspects)
        if suspects:
            self._check_engine(_harmless(suspects[0]))
            yield from self._failed(suspects)

    def _search(self, group: list[Request], death: EngineDied, suspects: list[Request]) -> Iterator[Completion]:
        """Ask again what was in flight at a death, in halves, until each is answered or has killed the engine alone.

        A request that did is one of `suspects` as long as the engine has answered nothing, and failed otherwise.
        """
        self._mourn(death, len(group))
        groups = _halves(group)
        while groups:
            group = groups.pop()
            out: dict[int, Request] = {}
            try:
                for completion in self._ask(group, out):
                    yield completion
                    yield from self._convict(suspects)
                continue
            except EngineDied as next_death:
                death = next_death
            left = [request for request in group if request.key in out]
            self._mourn(death, len(left))
            if left != group or len(group) > 1:
                groups += _halves(left)
                continue
            suspects += group
            if self._known is not None:
                self._check_engine(self._known)
                yield from self._failed(suspects)
            elif len(suspects) > _MOST_SUSPECTS:
                raise InterruptedRun(
                    f"the engine died of each of the {len(suspects)} requests it was asked alone, and has answered "
                    f"none ({death}); {_GOES_ON}"
                )

    def _ask(self, requests: Iterable[Request | None], out: dict[int, Request]) -> Iterator[Completion]:
        """What the engine answers. `out` holds what it has not answered; that of a group, from the beginning on."""
        if isinstance(requests, list):
            out.update({request.key: request for request in requests})

        def noted() -> Iterator[Request | None]:
            for request in requests:
                if request is not None:
                    out[request.key] = request
                yield request

        with closing(self._started().complete(noted())) as completions:  # type: ignore[type-var]
            for completion in completions:
                request = out.pop(completion.key)
                if completion.finish_reason != "too_long":
                    self._known = request
                yield completion

    def _convict(self, suspects: list[Request]) -> Iterator[Completion]:
        """Give up the suspects once the engine has answered another request."""
        if suspects and self._known is not None:
            yield from self._failed(suspects)

    def _failed(self, suspects: list[Request]) -> Iterator[Completion]:
        while suspects:
            request = suspects.pop(0)
            text = quoted(one_line(text_of(request.messages)), 80)
            self._say(f"the engine dies of one request, which is given up: {text}")
            yield Completion(request.key, "", "failed", 0, 0)

    def _check_engine(self, known: Request) -> None:
        """Ask what ought to be answered. Raises InterruptedRun if the engine dies of that too."""
        for trial in range(1, _TRIALS + 1):
            try:
                for _ in self._ask([known], {}):
                    return
            except EngineDied as death:
                self._mourn(death, 0)
                if trial == _TRIALS:
                    raise InterruptedRun(f"the engine dies of whatever it is asked ({death}); {_GOES_ON}") from death

    def _mourn(self, death: EngineDied, count: int) -> None:
        """Free what is left of a dead engine, and say so.

        The death is the end where this object is closed, or a run is asked to stop: that may have reached the engine
        too (Slurm's signals do), and a new one would start for the few answers that are still out.
        """
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
        if self._closed.is_set() or is_stopping():
            raise death
        again = f"; {count:,} requests are asked again" if count else ""
        self._say(f"the engine died ({death}) and is started again{again}")

    def _started(self) -> Completer:
        if self._engine is not None:
            return self._engine
        if self._closed.is_set():
            raise EngineDied("the engine was closed")
        try:
            engine = self._factory()
        except InputError as error:
            if self._in_flight is None:  # it never ran: somebody has to change something
                raise
            raise InterruptedRun(f"the engine died and does not start again ({error}); {_GOES_ON}") from error
        with self._lock:
            if not self._closed.is_set():
                self.restarts += self._in_flight is not None
                self._engine, self._in_flight = engine, engine.in_flight
                return engine
        engine.close()  # it was closed while it started
        raise EngineDied("the engine was closed")

    def close(self) -> None:
        """See `Completer`. For good: an engine that is starting is closed as soon as it runs."""
        with self._lock:
            self._closed.set()
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


def _halves(group: list[Request]) -> list[list[Request]]:
    """A group in two, the second half first; what is too small for that stays one."""
    middle = len(group) // 2
    return [half for half in (group[middle:], group[:middle]) if half]


def _harmless(request: Request) -> Request:
    """The shortest question to ask an engine that has not answered any."""
    return Request(0, (Message("user", "Hello"),), 1, chat_template_kwargs=request.chat_template_kwargs)
