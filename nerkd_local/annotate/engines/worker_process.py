"""An engine in a process of its own, seen from the process that asks it. The other side is `worker`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nerkd_local.annotate.completer import END, Completion, EngineDied, Request
from nerkd_local.annotate.engines.worker import DROP, SHAPES_KEPT
from nerkd_local.annotate.settings import ScriptedSettings, VllmSettings

_PREFETCHED = 32
"""Requests sent beyond what the engine takes at once, so that it never waits for one to cross."""

_BATCH = 64
_LOG_LINES = 6
_CLOSING_S = 60.0


class WorkerProcess:
    """A completer whose engine is started when the object is made, and gone when it is closed."""

    def __init__(
        self,
        settings: VllmSettings | ScriptedSettings,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """What the engine prints is appended to `log` (kept nowhere else). `environment` is laid over this process's.

        Raises what starting the engine raises, and EngineDied if its process ends before it is ready.
        """
        self._log = log.open("ab") if log else tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self._log_start = self._log.seek(0, os.SEEK_END)
        self._log_path = log
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nerkd_local.annotate.engines.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for the run, which then drains what is out
                env={**os.environ, **(environment or {})},
            )
        self._channel = Connection(ours.detach())
        self._shapes: dict[tuple[Any, ...], tuple[int, Request]] = {}
        self._next_shape = 0
        try:
            self._send(settings.model_dump(mode="json"))
            _, self._engine_in_flight = self._receive()
        except BaseException:
            self._kill()
            raise

    @property
    def in_flight(self) -> int:
        """See `Completer`."""
        return int(self._engine_in_flight) + _PREFETCHED

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`."""
        out: set[int] = set()
        source = iter(requests)
        exhausted = False
        try:
            while out or not exhausted:
                batch: list[Request] = []
                while not exhausted and len(out) < self.in_flight and len(batch) < _BATCH:
                    request = next(source, END)
                    if request is END:
                        exhausted = True
                    elif request is None:
                        break
                    else:
                        out.add(request.key)
                        batch.append(request)
                self._ask(batch)
                wait = not batch  # nothing more can be sent before something comes
                while out and (wait or self._channel.poll()):
                    wait = False
                    _, completions = self._receive()
                    for completion in completions:
                        out.remove(completion.key)
                        yield completion
        except EngineDied:
            out.clear()
            raise
        finally:
            if out:  # the caller stopped early
                self._drop()

    def _ask(self, batch: list[Request]) -> None:
        """Send requests; what they share with earlier ones (the instructions, the constraint) crosses once."""
        if not batch:
            return
        new: dict[int, Request] = {}
        rows = []
        for request in batch:
            *before, last = request.messages
            # by identity: the parts are the same objects for every sentence of a run, and are kept alive in the shape
            key = (
                *map(id, before),
                request.constraint,
                request.temperature,
                id(request.chat_template_kwargs),
                request.keep_control_tokens,
                request.stop_loops,
                request.logprobs,
                request.prompt_token_ids,
            )
            if key not in self._shapes:
                if len(self._shapes) >= SHAPES_KEPT // 2:
                    self._shapes.clear()
                shape = replace(request, key=0, messages=tuple(before), max_tokens=0)
                self._shapes[key] = self._next_shape, shape
                new[self._next_shape] = shape
                self._next_shape += 1
            rows.append((self._shapes[key][0], request.key, last.role, last.content, request.max_tokens))
        self._send((new, rows))

    def _drop(self) -> None:
        try:
            self._send(DROP)
            while self._receive()[0] != "dropped":
                pass
        except EngineDied:
            pass  # whoever asks next is told

    def _send(self, message: Any) -> None:
        try:
            self._channel.send(message)
        except OSError as error:
            raise EngineDied(self._death()) from error

    def _receive(self) -> tuple[Any, ...]:
        """The next message; an error that the engine met is raised here as what it was there."""
        try:
            message: tuple[Any, ...] = self._channel.recv()
        except (EOFError, OSError) as error:
            raise EngineDied(self._death()) from error
        if message[0] == "died":
            raise EngineDied(f"the engine died ({message[1]}){self._last_words()}")
        if message[0] == "error":
            kind, told = message[1:]
            raise kind(**told) if isinstance(told, dict) else kind(told)
        return message

    def _death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSING_S)
        code = self._process.returncode
        if code is None:
            how = "it does not answer any more"
        elif code < 0:
            how = signal.Signals(-code).name
        else:
            how = f"exit code {code}"
        return f"the engine's process died ({how}){self._last_words()}"

    def _last_words(self) -> str:
        """The end of what the process printed, as part of one line."""
        with suppress(OSError):
            if self._log_path:
                with self._log_path.open("rb") as stream:
                    stream.seek(self._log_start)
                    text = stream.read()[-4000:]
            else:
                self._log.seek(self._log_start)
                text = self._log.read()[-4000:]
            lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
            said = " | ".join("".join(c if c.isprintable() else " " for c in line) for line in lines[-_LOG_LINES:])
            if said:
                return f": {said[-600:]}"
        return ""

    def close(self) -> None:
        """End the engine and its process: they are gone when this returns. Calling it twice is fine."""
        if self._process.returncode is None:
            with suppress(OSError, EngineDied):
                self._send(None)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_CLOSING_S)
        self._kill()

    def _kill(self) -> None:
        """Whatever is left of the process and of those it started."""
        self._channel.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
