"""The processes of an engine: gone when it is closed, and with them the memory they held.

vLLM asks its processes to end, kills those that are slow, and returns without waiting for either (seen with 0.32:
the engine's process is killed after five seconds as a rule). A GPU's memory is free again only when the last process
that held some of it is gone, and a trainer that starts before that finds the card full.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any

PATIENCE_S = 30.0
"""How long processes may take to end after they were told to, before they are killed."""


class EngineProcesses:
    """Made before an engine starts: what this process's `multiprocessing` starts from then on is the engine's."""

    def __init__(self) -> None:
        self._others = set(multiprocessing.active_children())

    def started(self) -> list[BaseProcess]:
        """Those of them that live, and that this process has started itself."""
        return [child for child in multiprocessing.active_children() if child not in self._others]

    def end(self, shutdown: Callable[[], None], *, patience_s: float = PATIENCE_S) -> None:
        """Call `shutdown`, then wait until the engine's processes and all that they started are gone.

        What is not gone in time is killed. An engine without processes of its own is just shut down.
        """
        started = self.started()
        below = [process for child in started for process in _descendants(child.pid)]
        shutdown()
        for child in started:
            child.join(patience_s)
            if child.is_alive():
                child.kill()
                child.join(patience_s)
        if below:
            _wait(below, patience_s)


def _descendants(pid: int | None) -> list[Any]:
    import psutil  # type: ignore[import-untyped]  # comes with vLLM

    try:
        found: list[Any] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _wait(processes: list[Any], patience_s: float) -> None:
    import psutil

    _, alive = psutil.wait_procs(processes, timeout=patience_s)
    for process in alive:
        _kill(process)
    psutil.wait_procs(alive, timeout=patience_s)


def end_session(leader: subprocess.Popen[bytes], *, patience_s: float = PATIENCE_S) -> None:
    """End a process that was started in a session of its own, ended already or not, and all that it started.

    It is asked by SIGTERM and has `patience_s`; then it is killed, as all others of its session are at once. Nobody
    may have waited for it before: until then its number names no other process.
    """
    os.kill(leader.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while not _has_ended(leader.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = _session(leader.pid)
    os.kill(leader.pid, signal.SIGKILL)
    for process in left:
        _kill(process)
    leader.wait()
    deadline = time.monotonic() + patience_s
    while any(map(_is_alive, left)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _has_ended(pid: int) -> bool:
    """Whether that child has ended; it is not waited for, so its number stays taken."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _session(leader: int) -> list[Any]:
    """The others of a session: those whose parent is gone too, which are nobody's descendants any more."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader != process.pid:
                found.append(process)
    return [*found, *(process for process in _descendants(leader) if process not in found)]


def _kill(process: Any) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        process.kill()


def _is_alive(process: Any) -> bool:
    """Whether it can hold anything: one that nobody has waited for cannot, once its last thread has ended."""
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False
