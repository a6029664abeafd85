"""An engine in a process of its own, seen from the process that asks it. The other side is `worker`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import nerkd_local
from nerkd_local.annotate.completer import Completion, EngineDied, Feed, Request
from nerkd_local.annotate.engines.logs import last_words, tell
from nerkd_local.annotate.engines.processes import PATIENCE_S, end_session
from nerkd_local.annotate.engines.worker import NOTHING, pack_requests, unpack, unpack_completions
from nerkd_local.annotate.settings import ScriptedSettings, VllmSettings
from nerkd_local.errors import InputError

_PROGRAM = "nerkd_local.annotate.engines.worker"
_PARTS = 8
"""Requests are sent when there is room for an eighth of all: many cross at once, and others are there meanwhile."""

_CLOSING_S = 15.0
"""How long an engine may take to close itself before it is killed; vLLM's takes five seconds as a rule."""


class WorkerProcess:
    """A completer whose engine is started when the object is made, and gone when it is closed.

    The process ends with this one, however that ends. Signals that ask a run to stop do not end it: what the run has
    asked for still arrives.
    """

    def __init__(
        self,
        settings: VllmSettings | ScriptedSettings,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = tell,
    ) -> None:
        """What the engine prints is appended to `log`, or goes to a temporary file that stays if the engine dies.
        `environment` is laid over this process's; `say` hears what its start has to tell.

        Raises what starting the engine raises, and InputError if its process ends before the engine is up.
        """
        self._log, self._log_is_temporary, self._keep_log = log or _temporary_log(), log is None, False
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        self._socket, theirs = socket.socketpair()
        self._channel = Connection(os.dup(self._socket.fileno()))
        self._using_channel = threading.Lock()
        self._unwanted = 0  # how often requests were left whose answers may still come
        self._closing = threading.Lock()
        self._ended = threading.Event()
        self._how = ""
        started: Future[subprocess.Popen[bytes]] = Future()
        self._keeper = threading.Thread(
            target=self._keep, args=(theirs, {**os.environ, **(environment or {})}, started), daemon=True
        )
        self._keeper.start()
        try:
            self._process: subprocess.Popen[bytes] | None = started.result()
        except BaseException:
            self._channel.close()
            self._socket.close()
            raise
        try:
            self._send_bytes(settings.model_dump_json().encode())
            in_flight, said = unpack(self._receive())
            self._engine_in_flight: int = in_flight
        except BaseException as error:
            self._keep_log = isinstance(error, InputError | EngineDied)
            self.close()
            if isinstance(error, EngineDied):
                raise InputError(f"the engine does not start: {error}") from error
            if isinstance(error, InputError) and self._printed():
                raise self._with_log(error) from error
            raise
        for line in said:
            say(line)

    def _keep(
        self, theirs: socket.socket, environment: dict[str, str], started: Future[subprocess.Popen[bytes]]
    ) -> None:
        """Start the process, and notice its end. In a thread that lives as long as the process: the kernel counts the
        end of the thread that started a process as that of its parent (see `signal_at_parents_end`).
        """
        # found as this package is, wherever that lies, and nothing else by that name in the working folder (-P)
        package = str(Path(nerkd_local.__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
        try:
            with theirs, self._log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", _PROGRAM, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for the run, which then waits for what is out
                )
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(process)
        end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # `close` reaps it
        if end is not None:
            number = end.si_status
            self._how = f"exit code {number}" if end.si_code == os.CLD_EXITED else signal.Signals(number).name
        self._ended.set()

    @property
    def pid(self) -> int:
        """The engine's process. What it started shares its session. 0 once it is closed."""
        return self._process.pid if self._process else 0

    @property
    def in_flight(self) -> int:
        """See `Completer`. Some more than the engine takes itself, so that it need not wait for one to cross."""
        return self._engine_in_flight + max(8, self._engine_in_flight // 4)

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`. Raises what the engine raises, as the same class of error."""
        self._await_unwanted()
        ready: deque[Completion] = deque()
        feed = Feed(requests)
        out = 0
        try:
            while True:
                room = self.in_flight - out
                if not feed.over and (room * _PARTS >= self.in_flight or not out):
                    batch: list[Request] = []
                    while len(batch) < room and (request := feed.draw()) is not None:
                        batch.append(request)
                    out += len(batch)
                    self._send(batch)
                if not out:
                    if feed.over:
                        return
                    continue
                if not ready:
                    ready.extend(self._answers())
                out -= 1
                yield ready.popleft()
        except GeneratorExit:
            if out > len(ready):
                self._unwanted += 1
                self._send_bytes(NOTHING)
            raise

    def _answers(self) -> list[Completion]:
        try:
            return unpack_completions(self._receive())
        except EngineDied as death:
            # of the worker's process, or told by it of the engine's
            raise EngineDied(f"{death}{'' if self._how else self._described_log()}") from death

    def _await_unwanted(self) -> None:
        """Let pass by what still comes of requests that were left."""
        while self._unwanted:
            if not self._receive():
                self._unwanted -= 1

    def _send(self, batch: list[Request]) -> None:
        if batch:
            self._send_bytes(pack_requests(batch))

    def _send_bytes(self, data: bytes) -> None:
        with self._using_channel, suppress(OSError):  # who reads next sees the end, after the answers before it
            self._channel.send_bytes(data)

    def _receive(self) -> bytes:
        try:
            with self._using_channel:
                return self._channel.recv_bytes()
        except (EOFError, OSError):
            self._keep_log = True
            raise EngineDied(self._describe_end()) from None

    def _describe_end(self) -> str:
        if not self._ended.wait(PATIENCE_S):
            return f"its process does not answer any more{self._described_log()}"
        return f"its process ended, {self._how}{self._described_log()}"

    def _described_log(self) -> str:
        return f"; last words: {last_words(self._log)}; its log: {self._log}" if self._printed() else ""

    def _printed(self) -> bool:
        with suppress(OSError):
            return self._log.stat().st_size > self._log_start
        return False

    def _with_log(self, error: InputError) -> InputError:
        """An error of the start, and where to read more of it. vLLM leaves the cause to what it prints at times."""
        cause = f"; last words: {last_words(self._log)}" if "root cause" in error.problem else ""
        return InputError(f"{error.problem}{cause}; its log: {self._log}", path=error.path, line=error.line)

    def close(self) -> None:
        """End the engine and all that it started; nothing of it is left when this returns. Twice is fine.

        Another thread that waits for an answer is told that the engine died.
        """
        with self._closing:
            process, self._process = self._process, None
            if process is None:
                return
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            if not self._ended.wait(_CLOSING_S):
                process.kill()  # it is not reaped before the keeper has seen its end
                self._ended.wait()
            end_session(process, patience_s=0)
            self._keeper.join()
            with self._using_channel:
                self._channel.close()
            self._socket.close()
            if self._log_is_temporary and not (self._keep_log and self._printed()):
                self._log.unlink(missing_ok=True)


def _temporary_log() -> Path:
    handle, name = tempfile.mkstemp(prefix="nerkd-engine-", suffix=".log")
    os.close(handle)
    return Path(name)
