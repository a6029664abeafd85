"""The tie between `launch` and the ranks it starts, by which neither outlives the other unnoticed.

Signals alone do not do: torch's launcher puts each rank in a session of its own, one sent while a rank is still
importing would be lost, and a process that is killed outright sends none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.files import read_text, write_text

_FOLDER = "NERKD_LAUNCH_FOLDER"
_STARTER = "NERKD_LAUNCH_PROCESS"
_EXIT_CODE = "exit_code"
_STOP = "stop"


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A folder that `launch` and the ranks on its machine share, and which process called `launch`.

    In the folder, a file asks the ranks to stop and another holds the exit code that they report. `launch` removes
    it at its end, so a rank that misses the folder or the process is alone.
    """

    folder: Path
    starter: str

    @classmethod
    def offer(cls, folder: Path) -> Lifeline:
        """The tie of ranks that this process is about to start; `folder` exists and is empty."""
        starter = process_mark(os.getpid())
        assert starter is not None  # this process lives
        return cls(folder, starter)

    @classmethod
    def held(cls, environment: Mapping[str, str]) -> Lifeline | None:
        """The tie this rank was started with; None where something other than `launch` started it."""
        folder, starter = environment.get(_FOLDER), environment.get(_STARTER)
        return cls(Path(folder), starter) if folder and starter else None

    def environment(self) -> dict[str, str]:
        """The variables by which ranks get hold of it."""
        return {_FOLDER: str(self.folder), _STARTER: self.starter}

    def ask_to_stop(self) -> None:
        """Ask the ranks to finish their step, save and end. May be repeated."""
        (self.folder / _STOP).touch()

    def stop_wanted(self) -> bool:
        """Whether the ranks were asked to stop, or nobody is there any more to want their result."""
        return (self.folder / _STOP).exists() or self.is_cut()

    def is_cut(self) -> bool:
        """Whether the call of `launch` is over, or its process is gone."""
        return not self.folder.is_dir() or process_mark(int(self.starter.partition(":")[0])) != self.starter

    def report(self, code: int) -> None:
        """Leave the ranks' exit code for `launch`; if it is gone, tidy up in its place."""
        if self.is_cut():
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            write_text(self.folder / _EXIT_CODE, str(code))

    def reported(self) -> int | None:
        """The exit code that the ranks left, if they came to it."""
        path = self.folder / _EXIT_CODE
        return int(read_text(path)) if path.exists() else None


def process_mark(pid: int) -> str | None:
    """A process as `pid:start time`, so that a later one with the same number is another; None if it has ended.

    One that was killed and not yet collected by its parent has ended.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): "pid (name) state ...", the name may hold anything; the start time is field 22
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{pid}:{fields[19]}"
