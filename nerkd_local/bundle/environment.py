"""A version's own Python environment, from its wheels alone; and the self-test in it."""

from __future__ import annotations

import os
import shutil
from io import BufferedWriter
from pathlib import Path
from typing import IO

from nerkd_local.bundle import steps
from nerkd_local.bundle.children import run_program
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.refusals import Corrupt, InstallFailed, NoSpace, SelfTestFailed
from nerkd_local.bundle.space import SPARE, readable

ENVIRONMENT, REQUIREMENTS, WHEELS = "env", "requirements.txt", "wheels"
INSTALL_LOG, SELFTEST_LOG = "install.log", "selftest.log"
_TAIL, _WIDTH = 5, 500


def pip_wheel(manifest: Manifest) -> str:
    """The path of the wheel of pip in the bundle. Raises Corrupt if there is not one, or no list of requirements."""
    wheels = [file.path for file in manifest.of_kind("wheel") if file.path.startswith(f"{WHEELS}/pip-")]
    if len(wheels) != 1 or not any(file.path == REQUIREMENTS for file in manifest.files):
        raise Corrupt(
            "the bundle cannot be installed",
            where=manifest.version,
            expected=f"one wheel of pip below {WHEELS}/, and {REQUIREMENTS}",
            found=f"{len(wheels)} wheels of pip, {len(manifest.of_kind('lock'))} lists of requirements",
            likely="it was put together by hand",
            next_step="ask the sender to create the bundle again",
        )
    return wheels[0]


def make_environment(folder: Path, manifest: Manifest, python: Path, lock: int | None = None) -> Path:
    """Make `folder`/env with exactly the bundle's wheels in it; returns its Python.

    pip is run out of its own wheel, cut off from every index, from the user's settings and from what is installed
    elsewhere; it takes nothing whose hash is not in the bundle's requirements. What both programs say is in
    install.log. Raises InstallFailed, or NoSpace where the disk filled up meanwhile.
    """
    environment, temporary = folder / ENVIRONMENT, folder / "tmp"
    temporary.mkdir()
    pip = folder / pip_wheel(manifest) / "pip"  # a wheel is an archive that Python runs a package of
    with _opened(folder / INSTALL_LOG) as log:
        venv: list[str | Path] = [python, "-I", "-m", "venv", "--without-pip", environment]
        _run("venv", venv, log, folder, lock, temporary)
        steps.reached("the environment is there, and empty")
        inside = environment / "bin" / "python"
        install: list[str | Path] = [
            inside, "-I", pip, "install", "--no-index", "--find-links", folder / WHEELS, "--only-binary=:all:",
            "--require-hashes", "--requirement", folder / REQUIREMENTS, "--no-deps", "--no-cache-dir",
            "--progress-bar=off", "--no-warn-script-location", "--root-user-action=ignore",
        ]  # fmt: skip
        _run("pip", install, log, folder, lock, temporary)
    shutil.rmtree(temporary)
    steps.reached("the environment is filled")
    return inside


def run_self_test(folder: Path, lock: int | None = None) -> list[str]:
    """Let the new environment check itself; the lines it said. Raises SelfTestFailed with those that failed.

    All of it is in selftest.log.
    """
    path = folder / SELFTEST_LOG
    with _opened(path) as log:
        code = run_program(
            [folder / ENVIRONMENT / "bin" / "python", "-I", "-m", "nerkd_local.bundle.selftest", folder],
            output=log,
            lock=lock,
        )
    lines = _lines(path)
    if code:
        failed = [line for line in lines if line.startswith("FAIL")] or lines[-_TAIL:]
        more = f"\n            and {len(failed) - _TAIL} more" if len(failed) > _TAIL else ""
        ended = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise SelfTestFailed(
            "the new version does not compute what it must; it was not activated",
            where=path,
            found="\n            ".join(failed[:_TAIL]) + more or f"it said nothing ({ended})",
            likely="the system lacks a library that it needs, or this machine differs from what it was made for",
            next_step="read the file, mend what it names, then the same command: what was active still is",
        )
    return lines


def _run(name: str, command: list[str | Path], log: IO[bytes], folder: Path, lock: int | None, temporary: Path) -> None:
    code = run_program(command, output=log, lock=lock, temporary=temporary)
    if code == 0:
        return
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    where = folder / INSTALL_LOG
    if free < SPARE:
        raise NoSpace(
            f"{name} filled the disk",
            where=where,
            found=f"{readable(free)} free",
            likely="something else is writing to it",
            next_step="make room (nerkd-bundle gc), then the same command",
        )
    ended = f"exit code {code}" if code > 0 else f"signal {-code}"
    raise InstallFailed(
        f"{name} could not make the environment; nothing was activated",
        where=where,
        found="\n            ".join(_lines(where)[-_TAIL:]) or f"it said nothing ({ended})",
        likely="a wheel is for another system, or this Python lacks a part of its standard library",
        next_step="read the file, mend what it names, then the same command: what was active still is",
    )


def _opened(path: Path) -> BufferedWriter:
    """A new log, which everybody may read whatever the umask is."""
    stream = path.open("wb")
    os.fchmod(stream.fileno(), 0o644)
    return stream


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line[:_WIDTH] for line in text.split("\n") if line.strip()]
