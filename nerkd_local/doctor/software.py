"""The installed packages: are they those that were locked, do they load, and does vLLM?"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import nerkd_local
from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.doctor.finding import Finding
from nerkd_local.software import package_version

_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")
_NAMED = 4
_VLLM_LIMIT_S = 300.0

# what a student needs, with the extra that brings it along
_LOADED = {"numpy": "student", "torch": "student", "transformers": "student", "tokenizers": "student"}

_IMPORT_VLLM = """
import json, sys
from nerkd_local import offline, threads
offline.seal()
threads.wait_politely()
import vllm
from vllm.platforms import current_platform
print("\\n" + json.dumps([vllm.__version__, current_platform.device_name]))
"""


def libraries(load: Callable[[str], object] = import_module) -> Finding:
    """Whether the libraries of the student load: what is there may lack a library of the system."""
    for name, extra in _LOADED.items():
        if package_version(name) is None:
            fix = f"pip install 'nerkd-local[{extra}]' from the folder of wheels, or install a bundle that has it"
            return Finding("libraries", "warn", f"{name} is not installed: no student can be trained or asked", fix)
        try:
            load(name)
        except (ImportError, OSError) as error:
            return Finding(
                "libraries",
                "fail",
                f"{name} cannot be imported: {_first_line(error)}",
                "see `C runtimes` above; else install the bundle again: nerkd-bundle install VERSION",
            )
    return Finding("libraries", "ok", ", ".join(f"{name} {package_version(name)}" for name in _LOADED))


def locked_versions(lock: Path | None = None, installed: Callable[[str], str | None] = package_version) -> Finding:
    """Whether what is installed is what was locked: that is what was tested."""
    lock = lock or find_lock()
    if lock is None:
        fix = "install from a bundle, or by scripts/setup: both go by a lock"
        return Finding("packages", "unknown", "no lock is here to compare the installed versions with", fix)
    differing, count = [], 0
    for name, wanted in _PIN.findall(_pins(lock)):
        count += 1
        found = installed(name)
        if found != wanted and not (found and found.partition("+")[0] == wanted):
            differing.append(f"{name} {found or 'missing'} (locked: {wanted})")
    if differing:
        named = ", ".join(differing[:_NAMED]) + (f" and {len(differing) - _NAMED} more" if differing[_NAMED:] else "")
        fix = "nerkd-bundle install VERSION, or scripts/setup: both make the environment again"
        return Finding("packages", "warn", f"{len(differing)} of {count} are not those of {lock.name}: {named}", fix)
    return Finding("packages", "ok", f"all {count} as in {lock.name}")


def find_lock(prefix: Path | None = None, package: Path | None = None) -> Path | None:
    """The lock that this environment was made from: the bundle's, or, in a checkout, the one for this kind of vLLM."""
    beside = (prefix or Path(sys.prefix)).parent / "requirements.txt"
    if beside.is_file():
        return beside
    locks = (package or Path(nerkd_local.__file__).parent).parent / "scripts" / "locks"
    lock = locks / ("cuda.txt" if package_version("vllm") else "cpu.txt")
    return lock if lock.is_file() else None


def _pins(lock: Path) -> str:
    """The lines of a lock that name a package."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line[:1].isalnum())


def vllm_import(limit_s: float = _VLLM_LIMIT_S, command: Sequence[str] | None = None) -> Finding:
    """Whether vLLM loads, in a process of its own that is ended after `limit_s`, and how long that takes."""
    version = vllm_version()
    if version is None and command is None:
        fix = "needed on machines that annotate only: pip install 'nerkd-local[annotate]', or install a full bundle"
        return Finding("vllm", "warn", "not installed: nothing can be annotated with a model here", fix)
    begun = time.monotonic()
    code, printed, complaint = _run(command or [sys.executable, "-P", "-c", _IMPORT_VLLM], limit_s)
    took = time.monotonic() - begun
    if code is None:
        fix = "a first import reads gigabytes from a slow disk: try again; then look at the disk (dmesg | tail)"
        return Finding("vllm", "fail", f"{version} was not imported within {limit_s:.0f} s", fix)
    if code != 0:
        last = next((line for line in reversed(complaint.splitlines()) if line.strip()), f"exit code {code}")
        fix = "see `C runtimes`, `driver` and `libraries`; then install the bundle again: nerkd-bundle install VERSION"
        return Finding("vllm", "fail", f"{version} cannot be imported: {last.strip()[:200]}", fix)
    try:
        number, device = json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError):
        fix = "install the bundle again: nerkd-bundle install VERSION"
        return Finding("vllm", "fail", f"{version} was imported and did not say which it is", fix)
    return Finding("vllm", "ok", f"{version} ({number}) for {device or 'no device'}, imported in {took:.1f} s")


def _run(command: Sequence[str], limit_s: float) -> tuple[int | None, str, str]:
    """Exit code (None: it took too long, and was killed with all that it started), output and error output."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=_environment(os.environ),
        start_new_session=True,
    )
    try:
        printed, complaint = process.communicate(timeout=limit_s)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return None, "", ""
        raise
    return process.returncode, printed, complaint


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    # found as this package is, wherever that lies, and nothing else by that name in the working folder (-P)
    package = str(Path(nerkd_local.__file__).parents[1])
    return {
        **inherited,
        "VLLM_LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": os.pathsep.join(filter(None, [package, inherited.get("PYTHONPATH")])),
    }


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
