"""One run of one command: left alone, traced, in the black hole, or traced in the black hole."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nerkd_local import offline
from nerkd_local.doctor.egress.black_hole import CannotBuild, Swallowed, run_swallowed
from nerkd_local.doctor.egress.strace import Trace, read_trace, strace_command

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy")
_LAST_CHARACTERS = 2000
_LOOK_EVERY_S = 0.01


class CannotTrace(Exception):
    """strace does not work on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended. `code` is None where its time was up; `said` is the end of what it printed."""

    code: int | None
    seconds: float
    said: str
    trace: Trace | None = None
    swallowed: Swallowed | None = None


def pristine_environment() -> dict[str, str]:
    """The user's environment, without what this process's seal has set, so that a command has to seal itself, and
    without proxies: a proxy of this machine would take a leak for one to loopback.
    """
    return {name: text for name, text in offline.users_environment().items() if name.casefold() not in _PROXIES}


def run_watched(
    command: Sequence[str],
    *,
    trace: bool,
    hole: bool,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
) -> Run:
    """Run the command to the end of all that it starts, or until its time is up.

    Raises CannotTrace and CannotBuild where the machine does not let us.
    """
    environment = pristine_environment() if environment is None else dict(environment)
    with tempfile.TemporaryDirectory(prefix="nerkd-egress-") as name, (Path(name) / "said").open("w+b") as log:
        traced = Path(name) / "trace"
        whole = strace_command(command, traced) if trace else list(command)
        swallowed = None
        if hole:
            swallowed = run_swallowed(whole, environment=environment, timeout_s=timeout_s, log=log)
            code, seconds = swallowed.code, swallowed.seconds
        else:
            began = time.monotonic()
            code = _run(whole, environment, timeout_s, log.fileno())
            seconds = time.monotonic() - began
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
        found = None
        if trace:
            found = read_trace(traced) if traced.exists() else None
            if found is None or not found.commands:
                raise CannotTrace(" ".join(said.split())[-_LAST_CHARACTERS:] or f"strace ended with {code}")
        return Run(code, seconds, said[-_LAST_CHARACTERS:], found, swallowed)


def _run(command: Sequence[str], environment: Mapping[str, str], timeout_s: float, log: int) -> int | None:
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise CannotTrace(f"{command[0]}: {error.strerror}") from None
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        while family := _descendants(process.pid):
            for number in family:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(_LOOK_EVERY_S)
        process.wait()


def _descendants(root: int) -> list[int]:
    """The process, if it lives, and all that come of it; children before their parents are gone."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(folder.name)] = int(parent)
    family = [root] if root in parents else []
    for number in family:
        family.extend(child for child, parent in parents.items() if parent == number)
    return family


__all__ = ["CannotBuild", "CannotTrace", "Run", "pristine_environment", "run_watched"]
