"""Bounds on the process itself, for what strangers wrote: a template, a tokenizer."""

from __future__ import annotations

import resource
import signal
from pathlib import Path


def bound(seconds: int, more_bytes: int | None) -> None:
    """End this process by SIGALRM after some seconds, which nothing run in it can put off, and refuse it memory beyond
    `more_bytes` on top of what it has by now (None: no bound).

    It is the data segment that is bounded, not the address space: libraries map far more of that than they use.
    """
    limit = resource.RLIM_INFINITY if more_bytes is None else _data_bytes() + more_bytes
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 0
