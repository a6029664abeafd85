"""A folder that somebody else filled: what lies in it, without following a link or waiting for a pipe.

Every file is opened by its name relative to the open folder, never through a symbolic link, and must be a regular
one. A second hard link to a file is no reason to refuse it: what counts are the bytes that were read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nerkd_local.bundle.hashing import Unreadable
from nerkd_local.bundle.manifest import OBJECTS
from nerkd_local.bundle.refusals import Corrupt
from nerkd_local.errors import InputError

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a pipe that nobody writes to is opened at once, and refused
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Strange(Exception):
    """What lies at the name is no regular file. The message says what it is."""


class Folder:
    """An open folder with at most one folder inside, `objects`. Names are relative: `objects/SHA.000`."""

    def __init__(self, path: Path, top: int, objects: int | None) -> None:
        self.path = path
        self._top, self._objects = top, objects

    def entries(self) -> dict[str, str]:
        """Everything in it, by name as it is written on the medium, and what it is: `file`, `symbolic link`, ...

        Raises Corrupt if the medium cannot list it.
        """
        found: dict[str, str] = {}
        for prefix, handle in (("", self._top), (f"{OBJECTS}/", self._objects)):
            if handle is not None:
                try:
                    with os.scandir(handle) as listing:
                        found |= {prefix + entry.name: _kind_of(entry) for entry in listing}
                except OSError as error:
                    raise Corrupt(
                        "the folder cannot be listed",
                        where=self.path / prefix,
                        found=error.strerror,
                        likely="the medium has a fault",
                        next_step="copy the folder again from the sender's medium",
                    ) from None
        return found

    @contextmanager
    def open(self, name: str) -> Iterator[int]:
        """The file of that name, open for reading.

        Raises FileNotFoundError, Strange for what is no file, and Unreadable for what cannot be opened.
        """
        handle = self._open(name)
        try:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise Strange(_kind(mode))
            yield handle
        finally:
            os.close(handle)

    def _open(self, name: str) -> int:
        folder, slash, inside = name.rpartition("/")
        parent = self._top
        if slash:
            if folder != OBJECTS or self._objects is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            parent = self._objects
        try:
            return os.open(inside, _OPEN_FILE, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Strange("symbolic link") from None
            if error.errno == errno.ENXIO:  # a socket
                raise Strange("socket") from None
            if error.errno == errno.ENOENT:
                raise
            raise Unreadable(error.errno, error.strerror) from None

    def read(self, name: str, at_most: int) -> bytes:
        """The file's content, or its first `at_most` + 1 bytes if it is larger. Raises as `open` does."""
        with self.open(name) as handle, open(handle, "rb", closefd=False) as stream:
            # Python makes room for as much as it is asked for
            size = min(os.fstat(handle).st_size, at_most) + 1
            try:
                return stream.read(size)
            except OSError as error:
                raise Unreadable(error.errno, error.strerror) from None


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """The folder of a bundle, or one that is laid out like it. Raises InputError if there is none."""
    try:
        top = os.open(path, _OPEN_FOLDER)
    except OSError as error:
        raise InputError(f"cannot be opened as a folder: {error.strerror}", path=path) from None
    objects = None
    try:
        try:
            objects = os.open(OBJECTS, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=top)
        except OSError as error:
            # no such folder, or something else of that name, which `entries` says
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise InputError(f"cannot be opened as a folder: {error.strerror}", path=path / OBJECTS) from None
        yield Folder(path, top, objects)
    finally:
        os.close(top)
        if objects is not None:
            os.close(objects)


def _kind_of(entry: os.DirEntry[str]) -> str:
    try:
        return _kind(entry.stat(follow_symlinks=False).st_mode)
    except OSError:  # whoever opens it is told
        return "file"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "folder",
        stat.S_IFLNK: "symbolic link",
        stat.S_IFIFO: "pipe",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
    }
    return kinds.get(stat.S_IFMT(mode), "something unknown")
