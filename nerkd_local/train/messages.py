"""Lines for whoever watches a run."""

from __future__ import annotations

import sys
from contextlib import suppress


def tell(line: object) -> None:
    """Print a line on stderr. A terminal that was closed, or a pipe that nobody reads, is no reason to lose a run."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
