"""The file system under the store: what SQLite's log, locks and syncs need of it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from nerkd_local.doctor.finding import Finding
from nerkd_local.store.filesystem import MOUNTS, NETWORK, file_system

_VOLATILE = frozenset({"tmpfs", "ramfs"})
_SYNCS = 5
_SLOW_S = 0.1


def store_file_system(folder: Path, mounts: Path = MOUNTS) -> Finding:
    """The kind of file system: a local one that outlives a restart."""
    kind, point = file_system(folder, mounts)
    seen = f"{kind} at {point}"
    if kind in NETWORK:
        return Finding(
            "store's file system",
            "fail",
            f"{seen}: a network file system, where locks and SQLite's log do not hold",
            f"nerkd annotate --scratch FOLDER works on a local disk and copies the sealed result to {folder}",
        )
    if kind in _VOLATILE:
        fix = "name a folder on a disk"
        return Finding("store's file system", "warn", f"{seen}: in memory, and gone after a restart", fix)
    if kind == "unknown":
        return Finding("store's file system", "unknown", "the machine does not tell", "mount -t proc proc /proc")
    return Finding("store's file system", "ok", seen)


def store_durability(folder: Path) -> Finding:
    """Whether a lock is kept, SQLite writes ahead, and a sync comes back, tried in a folder that is removed again."""
    check = "store's writing"
    there = folder.absolute()
    while not there.is_dir():
        there = there.parent
    try:
        with tempfile.TemporaryDirectory(dir=there, prefix=".nerkd-doctor-") as name:
            trial = Path(name)
            _try_lock(trial / "lock")
            mode = _try_sqlite(trial / "trial.sqlite")
            slowest = _slowest_sync(trial / "sync")
    except (OSError, sqlite3.Error) as error:
        return Finding(check, "fail", f"{there}: {error}", "name a folder on a local disk that this user may write to")
    if mode != "wal":
        return Finding(
            check, "fail", f"{there}: SQLite cannot write ahead here ({mode})", "name a folder on a local disk"
        )
    seen = f"locks hold, SQLite {sqlite3.sqlite_version} writes ahead, a sync takes up to {1000 * slowest:.0f} ms"
    if slowest > _SLOW_S:
        fix = "name a folder on a faster disk (an annotation syncs four times a second)"
        return Finding(check, "warn", seen, fix)
    return Finding(check, "ok", seen)


def _try_lock(path: Path) -> None:
    """Raise OSError if two holders of one file can lock it at once."""
    with path.open("w") as one, path.open("w") as other:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    raise OSError("locks do not hold here")


def _try_sqlite(path: Path) -> str:
    """The journal's mode once SQLite was asked to write ahead."""
    connection = sqlite3.connect(path)
    try:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE trial (number INTEGER PRIMARY KEY) STRICT")
        with connection:
            connection.execute("INSERT INTO trial VALUES (1)")
        return str(mode)
    finally:
        connection.close()


def _slowest_sync(path: Path) -> float:
    """The longest of a few syncs, in seconds."""
    slowest = 0.0
    with path.open("wb", buffering=0) as stream:
        for _ in range(_SYNCS):
            stream.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(stream.fileno())
            slowest = max(slowest, time.perf_counter() - begun)
    return slowest
