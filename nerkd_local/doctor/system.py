"""The operating system and the interpreter: Python and its modules, C library and runtimes, a compiler, the clock."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import Distribution, distributions
from pathlib import Path

import nerkd_local
from nerkd_local.doctor.finding import Finding
from nerkd_local.software import package_version

OLDEST_PYTHON = (3, 11)

# Pythons that were built by hand lack these where their libraries' headers were missing, and nobody says so
_OPTIONAL_MODULES = {
    "sqlite3": "libsqlite3-dev",
    "ctypes": "libffi-dev",
    "lzma": "liblzma-dev",
    "bz2": "libbz2-dev",
    "zlib": "zlib1g-dev",
    "ssl": "libssl-dev",
}

# torch and vLLM link to these, and their wheels leave them to the system
_RUNTIMES = {"libstdc++.so.6": "libstdc++6", "libgcc_s.so.1": "libgcc-s1"}
# vLLM's CPU build loads it, and no wheel carries it: without, the engine ends with a missing `init_cpu_memory_env`
_OF_VLLM_CPU = {"libnuma.so.1": "libnuma1"}

_DAY_S = 24 * 3600.0
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_|manylinux(1|2010|2014)_")
_LEGACY = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """The interpreter that runs this: new enough, and on a system that wheels are made for."""
    seen = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}, {sys.executable}"
    if version[:2] < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return Finding("python", "fail", seen, f"install Python {wanted} or newer, and make the environment with it")
    return Finding("python", "ok", seen)


def python_modules(load: Callable[[str], object] = import_module) -> Finding:
    """Whether the modules of the standard library are there that need a C library of the system."""
    missing = []
    for name in _OPTIONAL_MODULES:
        try:
            load(name)
        except ImportError:
            missing.append(name)
    if missing:
        headers = " ".join(_OPTIONAL_MODULES[name] for name in missing)
        return Finding(
            "python modules",
            "fail",
            f"this Python was built without {', '.join(missing)}",
            f"use the distribution's Python, or build it again after: apt-get install {headers}",
        )
    return Finding("python modules", "ok", ", ".join(_OPTIONAL_MODULES))


def isolation(
    environment: Mapping[str, str] = os.environ, *, in_environment: bool = sys.prefix != sys.base_prefix
) -> Finding:
    """Whether packages can come in from outside the environment that was installed."""
    inherited = environment.get("PYTHONPATH")
    if inherited:
        return Finding("isolation", "warn", f"PYTHONPATH adds {inherited} to what is imported", "unset PYTHONPATH")
    if not in_environment:
        return Finding(
            "isolation",
            "warn",
            "this Python is no virtual environment: other programs' packages are mixed with these",
            "install into an environment of its own: scripts/setup, or nerkd-bundle install",
        )
    return Finding("isolation", "ok", "an environment of its own")


def glibc(found: str | None = None, needed: Iterable[tuple[tuple[int, int], str]] | None = None) -> Finding:
    """The C library, against the newest that an installed package was built for.

    `found` is what confstr tells (`glibc 2.36`), `needed` pairs of version and package.
    """
    found = _confstr() if found is None else found
    newest, package = max(needed if needed is not None else _built_for(), default=((0, 0), ""))
    match = re.fullmatch(r"glibc (\d+)\.(\d+).*", found)
    if match is None:
        return Finding(
            "glibc",
            "fail",
            f"{found or 'another C library (musl?)'}: no package with machine code runs on it",
            "use a system with glibc (Debian, Ubuntu, RHEL and their like)",
        )
    wants = f"; {package} wants {newest[0]}.{newest[1]}" if package else ""
    if (int(match[1]), int(match[2])) < newest:
        return Finding("glibc", "fail", f"{match[0]}{wants}", "install the bundle that is made for this system's glibc")
    return Finding("glibc", "ok", f"{match[0]}{wants}")


def runtime_libraries(load: Callable[[str], object] = ctypes.CDLL, *, vllm_on_cpu: bool | None = None) -> Finding:
    """The libraries of the system that torch and vLLM are linked to."""
    if vllm_on_cpu is None:
        vllm_on_cpu = package_version("vllm-cpu") is not None
    wanted = _RUNTIMES | (_OF_VLLM_CPU if vllm_on_cpu else {})
    missing = []
    for name in wanted:
        try:
            load(name)
        except OSError:
            missing.append(name)
    if missing:
        packages = " ".join(wanted[name] for name in missing)
        return Finding("C runtimes", "fail", f"cannot be loaded: {', '.join(missing)}", f"apt-get install {packages}")
    return Finding("C runtimes", "ok", ", ".join(wanted))


def compiler(*, gpus: bool, which: Callable[[str], str | None] = shutil.which, headers: Path | None = None) -> Finding:
    """A C compiler and Python's headers: Triton builds a module with them the first time that it meets a GPU."""
    found = next(filter(None, map(which, ("cc", "gcc", "clang"))), None)
    headers = headers or Path(sysconfig.get_path("include"))
    has_headers = (headers / "Python.h").is_file()
    if not gpus:
        return Finding("compiler", "ok", f"{found or 'none'}; nothing on a CPU needs one")
    if found and has_headers:
        return Finding("compiler", "ok", f"{found}, with Python's headers")
    lacking = " and ".join(
        [*([] if found else ["no C compiler"]), *([] if has_headers else [f"no Python.h in {headers}"])]
    )
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}-dev"
    return Finding(
        "compiler", "warn", f"{lacking}: vLLM's Triton kernels cannot start on a GPU", f"apt-get install gcc {name}"
    )


def clock(now: float | None = None, files: Iterable[Path] | None = None) -> Finding:
    """Whether the clock is not before the newest file of the installation: a machine without a network and with an
    empty battery starts in the past, and every time in records, and which checkpoint is newest, would be wrong.
    """
    now = time.time() if now is None else now
    newest = max(
        (path.stat().st_mtime for path in _installed_files() if path.exists())
        if files is None
        else (path.stat().st_mtime for path in files),
        default=0.0,
    )
    seen = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    fix = "set it (as root): date --set 'YYYY-MM-DD HH:MM' && hwclock --systohc"
    if now < newest - _DAY_S:
        written = datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d")
        return Finding("clock", "fail", f"{seen}, before {written}, when this toolkit was installed", fix)
    if now < newest:
        return Finding("clock", "warn", f"{seen}, {newest - now:,.0f} s before this toolkit was installed", fix)
    return Finding("clock", "ok", seen)


def _confstr() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""


def _built_for() -> list[tuple[tuple[int, int], str]]:
    """For each installed package with machine code, the oldest glibc that one of its tags allows, and its name."""
    found = []
    for each in distributions():
        allowed = wheel_glibc(each.read_text("WHEEL") or "")
        if allowed is not None:
            found.append((allowed, _name(each)))
    return found


def _name(each: Distribution) -> str:
    return str(each.metadata["Name"])


def wheel_glibc(wheel: str) -> tuple[int, int] | None:
    """The oldest glibc that a wheel's tags (its WHEEL file) allow; None where no tag names one."""
    allowed = []
    for major, minor, legacy in _MANYLINUX.findall(wheel):
        allowed.append(_LEGACY[legacy] if legacy else (int(major), int(minor)))
    return min(allowed, default=None)


def _installed_files() -> list[Path]:
    """Files that an installation writes: this package's, and the environment's own description."""
    package = Path(nerkd_local.__file__).parent
    return [*package.glob("*.py"), Path(sys.prefix) / "pyvenv.cfg"]
