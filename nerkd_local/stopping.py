"""Stopping on request: Ctrl-C, SIGTERM, Slurm's SIGUSR1 and a closed terminal set a flag that long work looks at.

And not outliving the process that one works for, which can be killed without asking anybody.
"""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)  # loaded here: not between fork and exec


class StopRequest:
    """Whether somebody asked to stop. A second Ctrl-C does what Ctrl-C normally does."""

    def __init__(self) -> None:
        self.requested = False

    def __bool__(self) -> bool:
        return self.requested


_listening: list[StopRequest] = []


def is_stopping() -> bool:
    """Whether somebody has asked to stop, and a `listen_for_stop` block is about to end for it."""
    return any(_listening)


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Within the block the signals set the flag instead of ending the process; afterwards all is as before.

    A SIGHUP that is ignored (`nohup`) stays ignored. Works in the main thread only (Python delivers signals
    there).
    """
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if request.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.requested = True

    listened = [
        number for number in STOP_SIGNALS if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, note) for number in listened}
    _listening.append(request)
    try:
        yield request
    finally:
        _listening.remove(request)
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_at_parents_end(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends (strictly: the thread that started it).

    Stays through an exec. Of a parent that ended before the call nothing is heard.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
