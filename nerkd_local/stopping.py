"""Stopping on request: Ctrl-C, SIGTERM and Slurm's SIGUSR1 set a flag that long work looks at."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether somebody asked to stop. A second Ctrl-C does what Ctrl-C normally does."""

    def __init__(self) -> None:
        self.requested = False

    def __bool__(self) -> bool:
        return self.requested


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Within the block the signals set the flag instead of ending the process; afterwards all is as before.

    Works in the main thread only (Python delivers signals there).
    """
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if request.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.requested = True

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
