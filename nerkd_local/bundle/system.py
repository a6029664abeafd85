"""This system, as far as it decides whether what was built for a target runs here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.bundle.children import clean_environment
from nerkd_local.bundle.manifest import Target
from nerkd_local.bundle.refusals import WrongPlatform
from nerkd_local.errors import InputError

_TIMEOUT_S = 60
_DRIVER_FILE = Path("/proc/driver/nvidia/version")
_DRIVER = re.compile(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)")

# Asked of the Python that is to run the toolkit, which need not be the one that runs this.
_QUESTION = """
import importlib.util, json, os, platform, sys, sysconfig
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION")
except (ValueError, OSError):
    glibc = None
threads = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
prefix = "cp" if sys.implementation.name == "cpython" else sys.implementation.name
print(json.dumps({
    "os": sys.platform,
    "arch": platform.machine() if sys.maxsize > 2**32 else platform.machine() + " (a 32-bit Python)",
    "glibc": glibc.split()[-1] if glibc and glibc.startswith("glibc") else None,
    "python": "%s%d%d%s" % (prefix, sys.version_info[0], sys.version_info[1], threads),
    "version": platform.python_version(),
    "venv": importlib.util.find_spec("venv") is not None,
}))
"""


@dataclass(frozen=True, slots=True)
class System:
    """What is here. `glibc`, `driver` and `capabilities` (of the GPUs) are None where there is none, or none is told.

    `python` is the ABI tag of the Python at `executable`; `venv`, whether it can make environments.
    """

    executable: Path
    os: str
    arch: str
    glibc: str | None
    python: str
    version: str
    venv: bool
    driver: str | None = None
    capabilities: tuple[str, ...] | None = None


def examine(python: Path) -> System:
    """This system, seen by that Python. Raises InputError if it cannot be started or answers nothing."""
    found = shutil.which(python)
    if found is None:
        raise InputError("no such program; name a Python with --python", path=python)
    try:
        done = subprocess.run(
            [found, "-I", "-S", "-c", _QUESTION],
            capture_output=True, text=True, timeout=_TIMEOUT_S, env=clean_environment(), check=False,
        )  # fmt: skip
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        answer = None
    if answer is None:
        raise InputError("is no Python that works; name another with --python", path=found)
    asked = _ask_nvidia_smi()
    driver = _driver() or (asked[0][0] if asked else None)
    return System(
        executable=Path(found).absolute(),
        driver=driver,
        capabilities=tuple(sorted({capability for _, capability in asked})) if asked else None,
        **answer,
    )


def require_target(target: Target, system: System, *, accelerator_elsewhere: bool = False) -> None:
    """Raise WrongPlatform, naming everything that does not fit, unless what was built for the target runs here.

    `accelerator_elsewhere`: the GPU is in other machines that see the same folder; nothing is asked about it here.
    InputError if only its Python lacks the module `venv`.
    """
    pairs = mismatches(target, system, accelerator_elsewhere=accelerator_elsewhere)
    if pairs:
        names, wanted, seen = zip(*pairs, strict=True)
        raise WrongPlatform(
            f"the bundle is for another system: {', '.join(names)}",
            where=system.executable,
            expected=", ".join(wanted),
            found=", ".join(seen),
            likely=_likely(set(names)),
            next_step=_next_step(set(names), target),
        )
    if not system.venv:
        raise InputError(
            "this Python has no module venv; install it from the system's packages (python3-venv), or name another "
            "with --python",
            path=system.executable,
        )


def mismatches(target: Target, system: System, *, accelerator_elsewhere: bool = False) -> list[tuple[str, str, str]]:
    """What does not fit: its name, what is needed, what is here."""
    found: list[tuple[str, str, str]] = []
    for name, wanted, seen in (
        ("operating system", target.os, system.os),
        ("architecture", target.arch, system.arch),
        ("Python", target.python, system.python),
    ):
        if wanted != seen:
            found.append((name, wanted, seen))
    if not at_least(system.glibc, target.glibc):
        found.append(("C library", f"glibc {target.glibc} or later", f"glibc {system.glibc or 'none'}"))
    if target.accelerator == "cuda" and not accelerator_elsewhere:
        if system.driver is None:
            found.append(("NVIDIA driver", target.driver or "one", "none"))
        elif target.driver is not None and not at_least(system.driver, target.driver):
            found.append(("NVIDIA driver", f"{target.driver} or later", system.driver))
        if (
            target.capability is not None
            and system.capabilities is not None
            and not any(at_least(each, target.capability) for each in system.capabilities)
        ):
            here = ", ".join(system.capabilities)
            found.append(("GPU", f"compute capability {target.capability} or higher", here))
    return found


def at_least(version: str | None, needed: str) -> bool:
    """Whether a dotted version is the needed one or a later one, number by number; without one it is not."""
    return version is not None and _numbers(version) >= _numbers(needed)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _driver() -> str | None:
    """The version of the loaded kernel module."""
    try:
        return read_driver(_DRIVER_FILE.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def read_driver(text: str) -> str | None:
    """The version in what the kernel module says of itself; None if it is not in there."""
    found = _DRIVER.search(text)
    return found[1] if found else None


def _ask_nvidia_smi() -> list[tuple[str, str]]:
    """Driver and compute capability of each GPU; empty where the program or a GPU is missing."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version,compute_cap", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return read_gpus(done.stdout) if done.returncode == 0 else []


def read_gpus(text: str) -> list[tuple[str, str]]:
    """Driver and compute capability of each GPU, from a line of `version, capability` for each."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return [(row[0], row[1]) for row in rows if len(row) == 2 and all(part[:1].isdigit() for part in row)]


def _likely(names: set[str]) -> str:
    if names == {"Python"}:
        return "another Python is first in the path than the one that the bundle was made for"
    if names == {"NVIDIA driver"}:
        return "the driver is older than the bundle needs, or this machine has no GPU and others that share it have"
    return "the bundle was made for other machines than this one"


def _next_step(names: set[str], target: Target) -> str:
    if names == {"Python"}:
        return f"the same command with --python PATH of a {dotted(target.python)}"
    if names <= {"NVIDIA driver", "GPU"}:
        return (
            "update the driver; or, where the GPU is in other machines: the same command with --accelerator-elsewhere"
        )
    return "ask the sender for a bundle for this system; they need the line `found`"


def dotted(abi: str) -> str:
    """An ABI tag as people say it: `cp311` -> `Python 3.11`; others as they are."""
    found = re.fullmatch(r"cp(\d)(\d+)(t?)", abi)
    if not found:
        return abi
    return f"Python {found[1]}.{found[2]}{' (free-threaded)' if found[3] else ''}"


def this_python() -> Path:
    """The Python that runs this, outside of any environment: an environment made from another would go with it."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable or os.devnull)
