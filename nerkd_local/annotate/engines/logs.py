"""What engines print, cut down to the line that says why one ended."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nerkd_local.annotate.engines.server_trouble import one_line

_READ_OF_LOG = 64 * 1024

# what vLLM's processes put in front of their lines, and colours
_PREFIX = re.compile(r"\x1b\[[0-9;]*m|^\([A-Za-z0-9_ =]+\) ?|^(?:ERROR|INFO|WARNING) [\d-]+ [\d:]+ \[[^\]]*\] ?")
_CAUSE = re.compile(r"^[A-Za-z_.]*(?:Error|Exception)\b.*: (?!Engine core initialization failed)")


def tell(line: str) -> None:
    """Print to stderr."""
    print(line, file=sys.stderr, flush=True)


def last_words(log: Path) -> str:
    """The line of a log that says most about an end: the last that names an error and its cause, or the last."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _READ_OF_LOG))
            text = stream.read().decode("utf-8", "replace")
    except OSError as error:
        return f"its log cannot be read ({error.strerror})"
    lines = [line for line in (_bare(line) for line in text.splitlines()) if line]
    causes = [line for line in lines if _CAUSE.match(line)]
    return one_line((causes or lines or ["it printed nothing"])[-1])


def _bare(line: str) -> str:
    """A line without what was put in front of it."""
    before = None
    while line != before:
        before, line = line, _PREFIX.sub("", line.strip())
    return line
