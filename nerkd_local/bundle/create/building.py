"""pip on the connected side, and wheels built by it: twice, byte for byte the same.

This is the one part of the toolkit that reaches a network: pip asks for packages where it is configured to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nerkd_local import offline
from nerkd_local.bundle.create.lockfile import Pin, read_lock
from nerkd_local.errors import InputError, NerkdError
from nerkd_local.files import write_text
from nerkd_local.fingerprints import digest, digest_file

_ONLY_THE_SEALS = "FLASHINFER_CUBINS_REPOSITORY"
"""A switch that users do not set: where a process begins with it, a sealed one started it."""
_EARLIEST = 315532800  # 1980: a zip archive knows no earlier time
_SHOWN = 15
_FETCHED = "Downloading "

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Builder:
    """A Python with pip and what the builds need; `kept` is a folder for what it has built."""

    python: Path
    kept: Path
    say: Say

    def pip(self, arguments: Sequence[str], doing: str, environment: Mapping[str, str] | None = None) -> None:
        """Run pip as the user has configured it. Raises NerkdError with what it said."""
        command = [str(self.python), "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
        _run(command, users_environment() | dict(environment or {}), doing, self.say)

    def download(self, pins: Sequence[Pin], how: Sequence[str], into: Path, doing: str) -> None:
        """Fetch the files of these pins, checked by their hashes, into a folder."""
        with tempfile.TemporaryDirectory() as scratch:
            wanted = Path(scratch) / "wanted.txt"
            write_text(wanted, "".join(f"{pin.requirement}\n" for pin in pins))
            options = ["--no-deps", "--require-hashes", "--progress-bar", "off", *how, "--dest", str(into)]
            self.pip(["download", *options, "-r", str(wanted)], doing)

    def build(self, source: Path, epoch: int) -> Path:
        """Build a wheel of a source archive or checkout; returns its path, in a folder named by its hash.

        `epoch` is the time that its files carry. Raises InputError if two builds differ, or if it is made for this
        machine only: then what was signed could not be made again, or not be installed.
        """
        self.kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.kept, prefix=".") as scratch:
            first, second = (self._build(source, Path(scratch) / name, epoch) for name in ("first", "second"))
            sha256 = digest_file(first)
            if first.name != second.name or sha256 != digest_file(second):
                raise InputError(
                    "two builds of it differ; leave it alone while it is built, or bring a wheel (`wheels` in the "
                    "spec)",
                    path=source,
                )
            if not first.name.endswith("-none-any.whl"):
                raise InputError(
                    f"builds {first.name}, which fits this machine only; bring a wheel for the target (`wheels` in "
                    "the spec)",
                    path=source,
                )
            target = self.kept / sha256[:16] / first.name  # never under the hands of another process that reads it
            target.parent.mkdir(exist_ok=True)
            first.replace(target)
        return target

    def _build(self, source: Path, into: Path, epoch: int) -> Path:
        environment = {
            "SOURCE_DATE_EPOCH": str(max(epoch, _EARLIEST)),
            "PYTHONHASHSEED": "0",
            "LC_ALL": "C",
            "TZ": "UTC",
        }
        options = ["--no-deps", "--no-index", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(into)]
        self.pip(["wheel", *options, str(source.absolute())], f"building {source.name}", environment)
        (wheel,) = into.glob("*.whl")
        return wheel


def make_builder(cache: Path, lock: Path, say: Say) -> Builder:
    """A builder with exactly the packages of the build lock, made once and kept in the cache.

    Raises NerkdError if a package cannot be had.
    """
    read_lock(lock)
    folder = cache / f"build-{digest(sys.executable, digest_file(lock))[:16]}"
    builder = Builder(folder / "bin" / "python", folder / "built", say)
    stamp = folder / "ready"
    if not stamp.is_file() or not builder.python.exists():  # the Python that it was made with may be gone
        say("making the environment that wheels are built in")
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], os.environ, "making the build environment", say)
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--progress-bar", "off"]
        builder.pip(["install", *options, "-r", str(lock.absolute())], "installing the build requirements")
        write_text(stamp, "")
    return builder


def users_environment() -> dict[str, str]:
    """This process's environment as the user gave it: with their PIP_NO_INDEX, if it is theirs and not the seal's."""
    environment, before = offline.users_environment(), _environment_at_start()
    if "PIP_NO_INDEX" in before and _ONLY_THE_SEALS not in before:
        environment["PIP_NO_INDEX"] = before["PIP_NO_INDEX"]
    return environment


def _environment_at_start() -> dict[str, str]:
    """What the kernel handed to this process; empty where it does not tell."""
    try:
        content = Path("/proc/self/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in os.fsdecode(content).split("\0"))
    return {name: value for name, _, value in pairs if name}


def _run(command: Sequence[str], environment: Mapping[str, str], doing: str, say: Say) -> None:
    """Run a program to its end, and say what it fetches. Raises NerkdError with its last lines where it fails."""
    said: deque[str] = deque(maxlen=_SHOWN)
    with subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=0o022,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.strip()
            if text.startswith(_FETCHED) and ".metadata" not in text:
                say(f"  {text.removeprefix(_FETCHED)}")
            elif text:
                said.append(text)
    if process.returncode != 0:
        raise NerkdError("\n".join([f"{doing} failed (exit code {process.returncode}):", *said]))
