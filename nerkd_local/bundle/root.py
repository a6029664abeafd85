"""The folder on the closed side that bundles are received into and installed under.

ROOT/
  key.pem                      the sender's public key, pinned when the first bundle is received
  objects/SHA.NNN              volumes that were received and found good; `.part` files are on their way
  bundles/VERSION/             bundle.json and bundle.sig of each received bundle
  versions/VERSION/            an installed one: its files, env/ (the Python environment), install.log, selftest.log,
                               and, written last, installed.json; a folder without that is unfinished, and never
                               active. `before` names the version that was active before it
  current -> versions/VERSION  the active one: the only thing that decides, switched by one rename
  state.json                   the highest sequence ever activated here
  lock                         held by whatever changes anything
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.errors import InputError

_PATIENCE_S = 2.0
FOLDER = 0o755
"""What others may do with a folder here, whatever the umask lets them."""


@dataclass(frozen=True, slots=True)
class Root:
    """Where everything lies under one such folder."""

    path: Path

    @property
    def key(self) -> Path:
        """The pinned public key."""
        return self.path / "key.pem"

    @property
    def objects(self) -> Path:
        """Received volumes."""
        return self.path / "objects"

    @property
    def state(self) -> Path:
        """What must outlive every version."""
        return self.path / "state.json"

    @property
    def current(self) -> Path:
        """The link to the active version."""
        return self.path / "current"

    def bundle(self, version: str) -> Path:
        """The folder of a received bundle's manifest and signature."""
        return self.path / "bundles" / version

    def version(self, version: str) -> Path:
        """The folder that it is installed in."""
        return self.path / "versions" / version

    def installed(self, version: str) -> Path:
        """The file that says that the installation is whole."""
        return self.version(version) / "installed.json"

    def before(self, version: str) -> Path:
        """The file that names the version that was active before this one."""
        return self.version(version) / "before"

    def received_versions(self) -> list[str]:
        """The received bundles, the oldest sequence first."""
        return _folders(self.path / "bundles")

    def installed_versions(self) -> list[str]:
        """The whole installations, the oldest sequence first."""
        return [version for version in _folders(self.path / "versions") if self.installed(version).is_file()]

    def active(self) -> str | None:
        """The active version; None before the first. Raises InputError if `current` is none of our links."""
        try:
            return Path(os.readlink(self.current)).name
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise InputError(
                "is no link to a version; move it away, then nerkd-bundle activate VERSION", path=self.current
            ) from None

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Be the only one that changes anything here; the kernel gives it back however the process ends.

        Yields the lock's handle: a child that keeps it open holds the lock too, until it has ended. Raises InputError
        if another one is at it and is not done within two seconds, which a killed one's children need to be gone.
        """
        make_folders(self.path)
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock(handle)
            yield handle
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        last = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > last:
                    raise InputError(
                        "another nerkd bundle command is at work here; wait for it", path=self.path
                    ) from None
            time.sleep(0.02)


def make_folders(folder: Path) -> None:
    """Make the folder and those above it that are missing, open to every reader and written to by nobody else, whatever
    the umask is. One that is there stays as it is. Raises InputError if something else has its name.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        try:
            each.mkdir(exist_ok=True)  # another one may be at it
        except FileExistsError:
            raise InputError("is there already, and is no folder", path=each) from None
        each.chmod(FOLDER)


def _folders(parent: Path) -> list[str]:
    if not parent.is_dir():
        return []
    return sorted(entry.name for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("."))
