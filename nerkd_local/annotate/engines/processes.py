"""The processes of an engine: gone when it is closed, and with them the memory they held.

vLLM asks its processes to end, kills those that are slow, and returns without waiting for either (seen with 0.32:
the engine's process is killed after five seconds as a rule). A GPU's memory is free again only when the last process
that held some of it is gone, and a trainer that starts before that finds the card full.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PATIENCE_S = 30.0
"""How long processes may take to end after they were told to, before they are killed."""


class EngineProcesses:
    """Made before an engine starts: what this process's `multiprocessing` starts from then on is the engine's."""

    def __init__(self) -> None:
        self._others = set(multiprocessing.active_children())

    def end(self, shutdown: Callable[[], None], *, patience_s: float = PATIENCE_S) -> None:
        """Call `shutdown`, then wait until the engine's processes and all that they started are gone.

        What is not gone in time is killed. An engine without processes of its own is just shut down.
        """
        started = [child for child in multiprocessing.active_children() if child not in self._others]
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
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=patience_s)
