"""Whether a disk has room for what is to be written, asked before any of it is."""

from __future__ import annotations

import os
from pathlib import Path

from nerkd_local.bundle.refusals import NoSpace

SPARE = 64 << 20
"""Bytes that stay free beyond what is asked for: folders, journals, other writers."""


def require_space(folder: Path, needed: int, purpose: str, *, files: int = 0, next_step: str | None = None) -> None:
    """Raise NoSpace unless the file system of the folder has room for `needed` bytes and `files` more files.

    The folder need not exist yet; its nearest parent that does is asked. Space that only root may use does not count.
    """
    place = folder
    while not place.exists():
        place = place.parent
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    if free < needed + SPARE:
        raise NoSpace(
            f"there is no room {purpose}",
            where=folder,
            expected=f"{readable(needed + SPARE)} free",
            found=f"{readable(free)} free",
            likely="the disk is full, or a quota is",
            next_step=next_step or "make room (nerkd-bundle gc --dry-run shows what can go), then the same command",
        )
    # a file system without inodes of a fixed number says 0 of 0
    if status.f_files and status.f_favail < files:
        raise NoSpace(
            f"there are no inodes left {purpose}",
            where=folder,
            expected=f"{files:,} free",
            found=f"{status.f_favail:,} free",
            likely="the file system was made for fewer, larger files",
            next_step=next_step or "remove small files, or take another file system",
        )


def readable(size: int) -> str:
    """A number of bytes in words: `999 B`, `1.5 kB`, `3.2 GB` (decimal, as disks are sold)."""
    if size < 1000:
        return f"{size} B"
    amount, units = float(size), ["kB", "MB", "GB", "TB", "PB"]
    for unit in units:
        amount /= 1000
        if amount < 999.95 or unit == units[-1]:
            return f"{amount:.1f} {unit}"
    raise AssertionError
