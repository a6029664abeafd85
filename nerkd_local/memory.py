"""How a process keeps the memory that it has freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT = 1 << 30
_LARGEST = 1 << 25  # the most that glibc takes


def keep_freed_memory() -> None:
    """Let the C library keep up to 1 GiB of what is freed, for the next who asks, and not give it back at once.

    A training step frees and takes some hundred tensors of megabytes. Each that comes anew from the system costs it a
    page fault every 4 KiB: a seventh of a step of 8 sentences on one thread.
    Nothing happens where the library is not glibc.
    """
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
