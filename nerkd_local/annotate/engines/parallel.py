"""Several engines as one: each is asked as it has room, and answers arrive as they come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

from nerkd_local.annotate.completer import Completer, Completion, Feed, Request

_Answers = queue.SimpleQueue[tuple["_Lane", Completion | BaseException]]


class Parallel:
    """Completers side by side, a thread each. Requests are drawn, and answers handed on, in the caller's thread."""

    def __init__(self, engines: Sequence[Completer]) -> None:
        self._engines = list(engines)
        self._lanes: list[_Lane] = []

    @property
    def in_flight(self) -> int:
        """See `Completer`. Starts the engines, all at the same time; raises what the first of them raises."""
        counts = [0] * len(self._engines)

        def start(number: int) -> None:
            counts[number] = self._engines[number].in_flight

        _side_by_side(start, len(self._engines))
        return sum(counts)

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`. An error of one engine ends the whole, after the answers that came before it.

        Where the caller stops early, each engine stops at its next answer.
        """
        assert self.in_flight
        self._wait_for_lanes()
        answers: _Answers = queue.SimpleQueue()
        lanes = self._lanes = [_Lane(engine, answers) for engine in self._engines]
        feed = Feed(requests)
        try:
            while not feed.over or any(lane.out for lane in lanes):
                while any(lane.room > 0 for lane in lanes) and (request := feed.draw()) is not None:
                    max(lanes, key=lambda lane: lane.room).ask(request)
                for lane in lanes:
                    lane.start()
                if any(lane.out for lane in lanes):
                    lane, answer = answers.get()
                    if isinstance(answer, BaseException):
                        raise answer
                    lane.out -= 1
                    yield answer
        finally:
            for lane in lanes:
                lane.leave()

    def close(self) -> None:
        """Close all of them, side by side: one that takes long keeps no other waiting."""
        _side_by_side(lambda number: self._engines[number].close(), len(self._engines))
        self._wait_for_lanes()

    def _wait_for_lanes(self) -> None:
        """Let the threads of an earlier call end: an engine answers one caller at a time."""
        for lane in self._lanes:
            lane.join()
        self._lanes = []


class _Lane:
    """One engine with its thread, and how many requests it has been asked and not answered (`out`)."""

    def __init__(self, engine: Completer, answers: _Answers) -> None:
        self._engine = engine
        self._answers = answers
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._capacity = engine.in_flight
        self._left = False
        self._thread: threading.Thread | None = None
        self._asked = 0  # the engine, and not answered yet
        self.out = 0

    @property
    def room(self) -> int:
        """How many more requests it takes."""
        return self._capacity - self.out

    def ask(self, request: Request) -> None:
        """Hand it one request."""
        self.out += 1
        self._waiting.put(request)

    def start(self) -> None:
        """Have the engine begin, if it has something to begin with: as much as it takes, not the first request."""
        if self.out and self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def leave(self) -> None:
        """No more requests come, and no answer is waited for."""
        self._left = True
        self._waiting.put(None)  # wakes it

    def join(self) -> None:
        """Wait until the engine has nothing to do with these requests any more."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with closing(self._engine.complete(self._requests())) as completions:  # type: ignore[type-var]
                for completion in completions:
                    self._asked -= 1
                    self._answers.put((self, completion))
                    if self._left:
                        return
        except BaseException as error:
            self._answers.put((self, error))

    def _requests(self) -> Iterator[Request | None]:
        """What was handed to it, for the engine: it waits for a request only where it has none to answer."""
        while not self._left:
            try:
                request = self._waiting.get(block=not self._asked)
            except queue.Empty:
                yield None
                continue
            if request is None:
                return
            self._asked += 1
            yield request


def _side_by_side(work: Callable[[int], None], count: int) -> None:
    """Do `work` with each number at the same time, and raise the first error of it once all have ended."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
