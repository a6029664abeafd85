"""Slurm for its scripts' tests: a folder of fakes that stands first on the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REAL_NERKD = f"""#!/usr/bin/env bash
exec {sys.executable} -c 'from nerkd_local.cli.main import main; main()' "$@"
"""


class Cluster:
    """Runs a batch script as Slurm would, with `commands` (the text of each by name) in place of what it calls.

    `job`: the variables that Slurm sets. The fakes find their folder in $FAKES; scontrol notes there what it is asked.
    """

    def __init__(self, folder: Path, script: Path, commands: Mapping[str, str], job: Mapping[str, str]) -> None:
        self.folder = folder
        self._script, self._job = script, job
        (folder / "tmp").mkdir(parents=True)
        for name, text in commands.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "NERKD_"))}
        return subprocess.Popen(
            [str(self._script), *map(str, arguments)],
            env={
                **inherited,
                **self._job,
                "FAKES": str(self.folder),
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "TMPDIR": str(self.folder / "tmp"),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, **environment: str) -> tuple[int, str]:
        """The exit code, and what was written to standard error."""
        process = self.start(*arguments, **environment)
        _, told = process.communicate(timeout=180)
        return process.returncode, told

    @property
    def requeued(self) -> list[str]:
        log = self.folder / "scontrol.log"
        return log.read_text().splitlines() if log.exists() else []
