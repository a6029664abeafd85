"""The process of one engine: `python -m nerkd_local.annotate.engines.worker FD`, started by `worker_process`.

So an engine that dies takes nothing with it, several run side by side, and rendering, tokenizing and waiting for the
model share no interpreter with parsing, aligning and storing.

What crosses the socket FD, pickled but for the settings (JSON) and the empty messages: from the parent the settings,
then lists of requests; nothing (an empty message) where what is out is wanted no more. From here, once the engine is
up, its `in_flight` and what its start had to tell the user, then lists of answers; an empty message once nothing is out
any more; or the error that ended the engine.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from multiprocessing.connection import Connection
from operator import attrgetter
from typing import Any, Final

from nerkd_local import offline, threads
from nerkd_local.annotate.completer import Completer, Completion, EngineDied, Request
from nerkd_local.errors import NerkdError
from nerkd_local.stopping import STOP_SIGNALS, signal_at_parents_end

NOTHING: Final = b""
_BATCH = 64

# as tuples they are pickled several times faster; what requests share (the instructions' messages, the constraint)
# crosses once a batch, as pickle knows an object that it has written before
_request_row = attrgetter(*(field.name for field in fields(Request)))
_completion_row = attrgetter(*(field.name for field in fields(Completion)))


def pack_requests(requests: Sequence[Request]) -> bytes:
    """Requests for the other side."""
    return pickle.dumps([_request_row(request) for request in requests], pickle.HIGHEST_PROTOCOL)


def unpack_requests(data: bytes) -> list[Request]:
    """The inverse."""
    return [Request(*row) for row in pickle.loads(data)]


def pack_completions(completions: Sequence[Completion]) -> bytes:
    """Answers for the other side."""
    return pickle.dumps([_completion_row(completion) for completion in completions], pickle.HIGHEST_PROTOCOL)


def unpack_completions(data: bytes) -> list[Completion]:
    """The inverse. Raises the error that the worker met, where it sent one."""
    message = unpack(data)
    return [Completion(*row) for row in message]


def unpack(data: bytes) -> Any:
    """What the worker sent. Raises the error that it met, where it sent one."""
    message = pickle.loads(data)
    if isinstance(message, BaseException):
        raise message
    return message


def pack_error(error: BaseException) -> bytes:
    """An error for the other side, of the same class where that can cross, with the place where it was raised."""
    if not isinstance(error, NerkdError | EngineDied):
        error.add_note("".join(["In the engine's process:\n", *traceback.format_exception(error)]))
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        data = pickle.dumps(RuntimeError("\n".join(traceback.format_exception(error))))
    return data


class _Inbox:
    """What the parent sends, drained by a thread of its own: so the parent never waits for this process to read."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.unwanted = False
        """Whether what is out is wanted no more."""
        threading.Thread(target=self._read, name="nerkd-inbox", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = self._channel.recv_bytes()
            except (EOFError, OSError):  # the parent closed its side, or is gone
                self.unwanted = True
                self._messages.put(None)
                return
            if not data:
                self.unwanted = True
            self._messages.put(data)

    def get(self, *, wait: bool) -> bytes | None:
        """The next message; None once the parent has closed its side. Raises queue.Empty if there is none yet."""
        data = self._messages.get(block=wait)
        if data is None:
            self._messages.put(None)  # again, for whoever asks next
        return data


def serve(engine: Completer, inbox: _Inbox, channel: Connection) -> None:
    """Answer until the parent closes its side."""
    while _answer(engine, inbox, channel):
        inbox.unwanted = False
        channel.send_bytes(NOTHING)


def _answer(engine: Completer, inbox: _Inbox, channel: Connection) -> bool:
    """Answer until what is out is wanted no more; whether more may come after that."""
    waiting: deque[Request] = deque()
    done: list[Completion] = []
    out = 0
    last: bytes | None = b"more"

    def flush() -> None:
        if done:
            channel.send_bytes(pack_completions(done))
            done.clear()

    def requests() -> Iterator[Request | None]:
        nonlocal out, last
        while True:
            while waiting:
                out += 1
                yield waiting.popleft()
            flush()  # a completer that has handed on what was ready asks for more
            try:
                last = inbox.get(wait=out == 0)
            except queue.Empty:
                yield None
                continue
            if not last:
                return
            waiting.extend(unpack_requests(last))

    try:
        with closing(engine.complete(requests())) as completions:  # type: ignore[type-var]
            for completion in completions:
                out -= 1
                done.append(completion)
                if inbox.unwanted:
                    break
                if len(done) >= _BATCH:
                    flush()
    finally:
        flush()
    while last:  # left early: what was sent meanwhile is not wanted either
        last = inbox.get(wait=True)
    return last is not None


def start(settings: str, say: Callable[[str], None]) -> Completer:
    """The engine of these settings (JSON)."""
    # not at the top: the parent imports this module too
    from pydantic import TypeAdapter

    from nerkd_local.annotate.engines.start import start_engine
    from nerkd_local.annotate.settings import EngineSettings

    return start_engine(TypeAdapter[Any](EngineSettings).validate_json(settings), say=say)


def main(handle: int) -> None:
    """Start the engine that the parent names, and answer until it closes its side or is gone."""
    signal_at_parents_end(signal.SIGKILL)
    offline.seal()
    threads.wait_politely()
    # A run that is told to stop still waits for what is out, and then ends this process. What the engine starts itself
    # inherits that, except for SIGTERM, by which it ends its own processes.
    for number in STOP_SIGNALS:
        signal.signal(number, _ignore if number == signal.SIGTERM else signal.SIG_IGN)
    channel = Connection(handle)
    settings = channel.recv_bytes().decode()
    inbox = _Inbox(channel)
    said: list[str] = []
    with _errors_to(channel):
        engine = start(settings, said.append)
        with closing(engine), _errors_to(channel):  # told before the engine is closed, which takes seconds
            channel.send_bytes(pickle.dumps((engine.in_flight, said)))
            serve(engine, inbox, channel)


@contextmanager
def _errors_to(channel: Connection) -> Iterator[None]:
    """Send what is raised to the parent, and go on to the end; it may be gone."""
    try:
        yield
    except Exception as error:
        with suppress(OSError):
            channel.send_bytes(pack_error(error))


def _ignore(*_: object) -> None:
    """Do nothing, in this process only: unlike SIG_IGN, a handler is not inherited."""


if __name__ == "__mp_main__":  # a process that vLLM spawns from this one, and its first act
    offline.seal()
if __name__ == "__main__":
    main(int(sys.argv[1]))
    # The engine is closed. What libraries do at an interpreter's end takes vLLM's seconds, and the run waits for it.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
