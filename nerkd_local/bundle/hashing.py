"""SHA-256 of files in one pass, with the same little memory for any size."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OnBytes = Callable[[int], None]
"""Called with how many bytes were done since the last call."""

PIECE = 1 << 20
"""Bytes read at a time: below, the calls cost; above, the piece leaves the processor's cache before it is hashed."""


class Unreadable(OSError):
    """A file could not be read to its end: a medium with a fault."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A content's hash (hex) and its size in bytes."""

    sha256: str
    size: int


def hash_file(path: Path, on_bytes: OnBytes | None = None) -> Digest:
    """The digest of a file."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return hash_handle(handle, on_bytes=on_bytes)
    finally:
        os.close(handle)


def hash_handle(
    handle: int,
    *,
    whole: Whole | None = None,
    copy_to: int | None = None,
    at_most: int | None = None,
    on_bytes: OnBytes | None = None,
) -> Digest:
    """The digest of what an open file holds from where it stands to its end, or of the first `at_most` bytes of that.

    The same bytes go on to `copy_to`, another open file, and into `whole`, the hash that runs over several of them.
    Raises Unreadable if the medium fails, and a plain OSError if what is written to does.
    """
    part, size = hashlib.sha256(), 0
    for piece in _pieces(handle, at_most):
        if whole is None:
            part.update(piece)
        else:
            whole.update_beside(part, piece)
        if copy_to is not None:
            _write(copy_to, piece)
        size += len(piece)
        if on_bytes is not None:
            on_bytes(len(piece))
    return Digest(part.hexdigest(), size)


class Whole:
    """The hash over volumes one after the other, computed beside theirs: on a second core, in the same pass."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._hash = hashlib.sha256()
        self._size = 0

    def update_beside(self, other: Any, piece: memoryview) -> None:
        """Take the piece into this hash and the other (one of hashlib's), at the same time."""
        done = self._pool.submit(self._hash.update, piece)
        try:
            other.update(piece)
        finally:
            done.result()
        self._size += len(piece)

    @property
    def digest(self) -> Digest:
        """The hash and size of all that was taken in."""
        return Digest(self._hash.hexdigest(), self._size)


@contextmanager
def whole_hash() -> Iterator[Whole]:
    """A `Whole` with the thread that it computes in."""
    with ThreadPoolExecutor(1, "whole hash") as pool:
        yield Whole(pool)


def join_files(volumes: Iterable[Path], target: int, on_bytes: OnBytes | None = None) -> Digest:
    """Write the files one after the other to an open file; the digest of it all."""
    whole, size = hashlib.sha256(), 0
    for path in volumes:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            for piece in _pieces(handle):
                whole.update(piece)
                _write(target, piece)
                size += len(piece)
                if on_bytes is not None:
                    on_bytes(len(piece))
        finally:
            os.close(handle)
    return Digest(whole.hexdigest(), size)


def _pieces(handle: int, at_most: int | None = None) -> Iterator[memoryview]:
    """What is left of an open file, in pieces; each is valid until the next is asked for."""
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    buffer = memoryview(bytearray(PIECE))
    room = sys.maxsize if at_most is None else at_most
    while room:
        try:
            count = os.readv(handle, [buffer[: min(room, PIECE)]])
        except OSError as error:
            raise Unreadable(error.errno, error.strerror) from None
        if not count:
            return
        yield buffer[:count]
        room -= count


def _write(handle: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(handle, piece) :]
