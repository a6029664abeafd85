"""Several engines as one: each takes questions as it has room, and answers arrive as they come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from nerkd_local.annotate.completer import END, Completer, Completion, End, Request


class Parallel:
    """Completers side by side, a thread each. Questions are drawn in the caller's thread alone."""

    def __init__(self, engines: Sequence[Completer]) -> None:
        self._engines = list(engines)

    @property
    def in_flight(self) -> int:
        """See `Completer`. Starts the engines, all at the same time."""
        _in_threads(_start, self._engines)
        return sum(engine.in_flight for engine in self._engines)  # what a start raised is raised again here

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`. An error of one engine ends the whole, after the answers that came before it."""
        answers: queue.SimpleQueue[tuple[int, Completion | BaseException]] = queue.SimpleQueue()
        lanes = [_Lane(number, engine, answers) for number, engine in enumerate(self._engines)]
        source = iter(requests)
        exhausted = False
        try:
            while not exhausted or any(lane.out for lane in lanes):
                while not exhausted and (lane := max(lanes, key=lambda lane: lane.room)).room > 0:
                    request = next(source, END)
                    if request is END:
                        exhausted = True
                    elif request is None:
                        break
                    else:
                        lane.ask(request)
                if not any(lane.out for lane in lanes):
                    continue
                number, answer = answers.get()
                if isinstance(answer, BaseException):
                    raise answer
                lanes[number].out -= 1
                yield answer
        finally:
            for lane in lanes:
                lane.end()

    def close(self) -> None:
        """Close all of them, side by side: one that takes long keeps no other waiting."""
        _in_threads(lambda engine: engine.close(), self._engines)


class _Left(Exception):
    """The caller stopped early."""


class _Lane:
    """One engine with its thread, what waits for it, and how much of what it was asked is out."""

    def __init__(
        self, number: int, engine: Completer, answers: queue.SimpleQueue[tuple[int, Completion | BaseException]]
    ) -> None:
        self._number = number
        self._engine = engine
        self._answers = answers
        self._waiting: queue.SimpleQueue[Request | End] = queue.SimpleQueue()
        self._left = False
        self.out = 0
        self._capacity = engine.in_flight
        self._thread = threading.Thread(target=self._run, name=f"nerkd-engine-{number}", daemon=True)
        self._thread.start()

    @property
    def room(self) -> int:
        """How many more questions it takes."""
        return self._capacity - self.out

    def ask(self, request: Request) -> None:
        """Hand it one question."""
        self.out += 1
        self._waiting.put(request)

    def end(self) -> None:
        """No more questions come; what is out is not waited for."""
        self._left = True
        self._waiting.put(END)
        self._thread.join()

    def _run(self) -> None:
        out = 0

        def requests() -> Iterator[Request | None]:
            nonlocal out
            while True:
                if self._left and out:
                    raise _Left
                try:
                    request = self._waiting.get(block=out == 0)
                except queue.Empty:
                    yield None
                    continue
                if request is END:
                    if out:
                        raise _Left
                    return
                out += 1
                yield request

        try:
            for completion in self._engine.complete(requests()):
                out -= 1
                self._answers.put((self._number, completion))
        except _Left:
            pass
        except BaseException as error:
            self._answers.put((self._number, error))


def _start(engine: Completer) -> None:
    with suppress(Exception):  # met again by whoever asks the engine
        assert engine.in_flight


def _in_threads(work: Callable[[Completer], None], engines: Sequence[Completer]) -> None:
    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
