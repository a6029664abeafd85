"""What a command starts, seen from outside: which of its processes enforce a network profile."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nerkd_local.offline import guard

_MARK = "NERKD_TEST_COMMAND"
_STARTING_S = 2.0
"""How long a Python process may take until it has sealed itself."""


@dataclass
class Seen:
    """A process while it lived: its command lines, one after another, and which profile it was seen to enforce."""

    commands: list[str] = field(default_factory=list)
    profile: str | None = None
    unsealed_s: float = 0.0


def watch(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> list[Seen]:
    """Run the command to its end and look at all that it starts, ten times a second. It has to succeed."""
    seen: dict[str, Seen] = {}
    over = threading.Event()

    def look() -> None:
        last = time.monotonic()
        while not over.wait(0.1):
            now = time.monotonic()
            for process in _started(str(folder)):
                with suppress(OSError):
                    _note(process, seen, now - last)
            last = now

    onlooker = threading.Thread(target=look)
    onlooker.start()
    try:
        marked = {**environment, _MARK: str(folder)}
        done = subprocess.run(command, cwd=folder, env=marked, capture_output=True, text=True, check=False)
    finally:
        over.set()
        onlooker.join()
    assert done.returncode == 0, done.stderr
    return list(seen.values())


def _started(mark: str) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process)
    return found


def _note(process: Path, seen: dict[str, Seen], passed_s: float) -> None:
    started = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    if not command or not Path(os.readlink(process / "exe")).name.startswith("python"):
        return  # ended, or no Python
    one = seen.setdefault(f"{process.name}:{started}", Seen())
    if command not in one.commands:
        one.commands.append(command)
    profile = guard.seen_in(int(process.name))
    one.profile = one.profile or profile
    if one.profile is None:
        one.unsealed_s += passed_s


def kinds(processes: Sequence[Seen], names: Mapping[str, str]) -> dict[str, list[str | None]]:
    """By kind, told by a part of the command line, which profile each of its processes was seen to enforce."""
    found: dict[str, list[str | None]] = {}
    for one in processes:
        # the last that tells: before it, what was forked to become it
        told = (kind for command in reversed(one.commands) for kind, part in names.items() if part in command)
        kind = next(told, None)
        if kind is None and one.profile is None and one.unsealed_s < _STARTING_S:
            continue  # too short to tell
        found.setdefault(kind or one.commands[-1], []).append(one.profile)
    return found
