from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(happened: Callable[[], bool], *, within_s: float) -> None:
    """Look often; fail if it has not happened in time."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.05)
