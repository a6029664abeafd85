"""What can go wrong, and the exit code each kind ends the program with.

NerkdError
├── InputError         2  bad usage, bad settings, bad input files
├── InterruptedRun     3  stopped on request; the same command resumes
└── CheckFailed        4  the program worked, and the answer is no

Anything else that reaches the top is a bug: it keeps its traceback and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class NerkdError(Exception):
    """An ending a user can act on: one line, no traceback, its own exit code."""

    exit_code = 1


class InputError(NerkdError):
    """Something the user gave cannot be used.

    `problem` says what was seen and what to do. `path` and `line` (1-based) say where;
    they are printed in front as `path:line: problem`, which editors can jump to.
    """

    exit_code = 2

    def __init__(self, problem: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        self.problem = problem
        self.path = path
        self.line = line
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{place}{problem}")


class InterruptedRun(NerkdError):
    """Stopped on request (Ctrl-C, SIGTERM, SIGUSR1, SIGHUP), cut off from a server, or out of room on the disk; what is
    finished is kept.
    """

    exit_code = 3


class CheckFailed(NerkdError):
    """A check the user asked for came out negative."""

    exit_code = 4


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: ` (did you mean 'x'?)`, or ` (known: a, b)`, or nothing if none are known."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(names)})" if names else ""
