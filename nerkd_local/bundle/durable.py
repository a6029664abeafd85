"""Small files that are whole or absent after a power cut, and names that change over at once."""

from __future__ import annotations

import os
from pathlib import Path

from nerkd_local.bundle import steps


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a small file: it is on the disk before it takes its name, and the name before the call returns.

    Only one process at a time may write the path (`Root.locked`): the temporary name is a fixed one, so that what a
    kill leaves of it is written over by the next attempt.
    """
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as stream:
        stream.write(content)
        os.fchmod(handle, mode)  # whatever the umask is
        stream.flush()
        os.fsync(handle)
    steps.reached(f"{path.name} is on the disk, under another name")
    os.replace(temporary, path)
    steps.reached(f"{path.name} has its name")
    sync_folder(path.parent)


def point(link: Path, target: str) -> None:
    """Make the symbolic link lead to `target`, by one rename: it leads to the old or to the new one at any time."""
    temporary = link.with_name(f".{link.name}.part")
    temporary.unlink(missing_ok=True)
    os.symlink(target, temporary)
    steps.reached(f"{link.name} leads to {target}, under another name")
    os.replace(temporary, link)
    steps.reached(f"{link.name} leads to {target}")
    sync_folder(link.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
