"""Source text in messages: on a terminal, and in no file.

A message that names a file and a line may quote what stands there to the person who looks at it. What processes print
into log files, and what a batch system collects of a job, is kept, copied and sent to others: there the place is named
and the text left out.
"""

from __future__ import annotations

import os
import sys

LOG_TEXT = "NERKD_LOG_TEXT"
"""Set to 1, messages quote text wherever they go."""


def quoted(text: str, limit: int = 60) -> str:
    """The beginning of a text for a message, as Python writes it; only its length where stderr is no terminal."""
    if shows_text():
        return repr(text[:limit])
    return f"[{len(text)} characters; {LOG_TEXT}=1 shows them]"


def shows_text() -> bool:
    """Whether messages of this process may quote source text."""
    if os.environ.get(LOG_TEXT) == "1":
        return True
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it was closed
        return False
