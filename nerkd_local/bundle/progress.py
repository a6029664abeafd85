"""How far long work has come, on stderr: one line that is rewritten on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from nerkd_local.bundle.hashing import OnBytes
from nerkd_local.bundle.space import readable

Progress = Callable[[str, int], AbstractContextManager[OnBytes]]
"""Called with what is done and how many bytes that will be; gives what to call with the bytes that were done."""

_TERMINAL_S = 0.2
_LOG_S = 10.0


@contextmanager
def silent(label: str, total: int) -> Iterator[OnBytes]:
    """The progress that shows nothing."""
    yield lambda count: None


@contextmanager
def progress(label: str, total: int, *, clock: Callable[[], float] = time.monotonic) -> Iterator[OnBytes]:
    """What to call with the bytes that were done, out of `total`. Work that is done at once shows nothing.

    The work goes on where nobody can be shown anything: stderr is closed, its reader gone, or its disk full.
    """
    stream = sys.stderr
    if stream is None:
        yield lambda count: None
        return
    terminal = stream.isatty()
    every = _TERMINAL_S if terminal else _LOG_S
    began = clock()
    done, shown, next_at = 0, False, began + every

    def advance(count: int) -> None:
        nonlocal done, shown, next_at
        done += count
        now = clock()
        if now < next_at:
            return
        next_at, shown = now + every, True
        rate = done / (now - began)
        share = f" ({min(100, 100 * done // total)}%)" if total else ""
        left = f", {max(0.0, total - done) / rate:.0f} s left" if rate else ""
        line = f"{label}: {readable(done)} of {readable(total)}{share}, {readable(int(rate))}/s{left}"
        with suppress(OSError):
            print(f"\r{line}\x1b[K" if terminal else line, end="" if terminal else "\n", file=stream, flush=True)

    try:
        yield advance
    finally:
        if terminal and shown:
            with suppress(OSError):
                print("\r\x1b[K", end="", file=stream, flush=True)
