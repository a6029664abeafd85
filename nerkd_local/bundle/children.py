"""Programs that work for an installation, and do not outlive it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)  # loaded here: not between fork and exec

# the network of the user's own runs too: what works for an installation needs this machine alone, and the machine that
# a cluster's toolkit is installed on may not even have the interface
_NOT_PASSED_ON = ("PYTHON", "PIP_", "VIRTUAL_ENV", "__PYVENV", "UV_", "NERKD_NETWORK")

PIP = {
    # whatever the user or the machine has set for pip: an index, a proxy, a constraint, a target folder
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_INDEX": "1",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def run_program(
    command: Sequence[str | Path], *, output: IO[bytes], lock: int | None = None, temporary: Path | None = None
) -> int:
    """Run a program to its end, what it says going to `output`; its exit code (negative: the signal that ended it).

    It is killed when this process ends, however that happens. It keeps `lock` open too (see `Root.locked`), so that
    nobody begins anew while it, or what it started, is still writing. Its temporary files go to `temporary`. Raises
    OSError if it cannot be started.
    """
    environment = clean_environment()
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    parent = os.getpid()

    def end_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before the call
            os.kill(os.getpid(), signal.SIGKILL)

    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=() if lock is None else (lock,),
        umask=0o022,  # what is installed is for everybody, whoever installs it
        preexec_fn=end_with_parent,
        check=False,
    )
    return done.returncode


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change how Python, pip and the toolkit work, and with pip cut off.

    The rest stays: a Python from a module system may need its LD_LIBRARY_PATH, and so may a driver.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    return kept | PIP
