"""Several processes on one run folder: who does what, by lock files that end with their process."""

from __future__ import annotations

from contextlib import AbstractContextManager

from filelock import BaseFileLock, FileLock, Timeout

from nerkd_local.experiment.folder import RunFolder

Busy = Timeout
"""Raised where another process holds a lock that is not waited for."""


def held(folder: RunFolder, name: str, *, wait: bool = True) -> AbstractContextManager[BaseFileLock]:
    """The named lock of a run folder, as a context; without `wait`, Busy at once if another process holds it."""
    path = folder.lock(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, blocking=wait).acquire(poll_interval=0.2)
