"""Which software this is: the tool's version and commit, and the packages that a result depends on."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nerkd_local import __version__

_GIT_TIMEOUT_S = 10


def describe_software(packages: Iterable[str]) -> dict[str, str | None]:
    """Versions by name, for results that tell what they were made with: `nerkd-local`, its `commit` where it runs from
    a checkout (`+changes` where files of the package or its settings differ from it; None elsewhere), `python`, and the
    packages; None for one that is not installed. Nothing is imported.
    """
    found: dict[str, str | None] = {
        "nerkd-local": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
    }
    return found | {name: package_version(name) for name in packages}


def package_version(name: str) -> str | None:
    """The installed version of a distribution; None if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@lru_cache(maxsize=1)
def _commit() -> str | None:
    """Asked once a process: what runs was read from the disk before any later commit."""
    root = Path(__file__).parents[1]
    commit = ask_git(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = ask_git(root, "status", "--porcelain", "--", "nerkd_local", "configs")
    if changes is None:  # it may be another than it says
        return None
    return f"{commit}+changes" if changes else commit


def ask_git(root: Path, *arguments: str) -> str | None:
    """What git answers of a checkout, by its top folder; None where that is none, there is no git, or it will not read
    this one.
    """
    if not (root / ".git").exists():  # git would answer for a checkout further up
        return None
    try:
        done = subprocess.run(
            ("git", "-C", str(root), *arguments), capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
