"""A bundle's files under their own names, out of the volumes that were received."""

from __future__ import annotations

import os
from pathlib import Path

from nerkd_local.bundle import steps
from nerkd_local.bundle.findings import Finding, corrupt
from nerkd_local.bundle.hashing import OnBytes, join_files
from nerkd_local.bundle.manifest import File, Manifest
from nerkd_local.bundle.root import Root, make_folders

READ_ONLY = 0o444


def lay_out(root: Root, manifest: Manifest, folder: Path, on_bytes: OnBytes | None = None) -> None:
    """Put every file below the folder, which is new; everybody may read them, nobody but root change them.

    A content in one volume is a second name of the volume (a hard link), which costs no room and is read-only since it
    was received; one in several is put together, and so is any where the file system has no links. What is
    copied is hashed on the way: raises Corrupt.
    """
    for file in manifest.files:
        target = folder / file.path
        make_folders(target.parent)
        content = manifest.by_hash[file.sha256]
        volumes = [root.path / content.volume_name(number) for number in range(len(content.volumes))]
        if len(volumes) != 1 or not _link(volumes[0], target):
            _join(root, manifest, file, volumes, target, on_bytes)
        elif on_bytes is not None:
            on_bytes(file.size)
        steps.reached(f"{file.path} is laid out")


def copied_bytes(root: Root, manifest: Manifest) -> int:
    """How many bytes `lay_out` writes: what is in several volumes, or everything where there are no links."""
    if _has_links(root):
        return sum(file.size for file in manifest.files if len(manifest.by_hash[file.sha256].volumes) > 1)
    return sum(file.size for file in manifest.files)


def _link(volume: Path, target: Path) -> bool:
    try:
        os.link(volume, target, follow_symlinks=False)
    except OSError:  # no links here, too many of this one, or none allowed: copying says what else is wrong
        return False
    return True


def _join(
    root: Root, manifest: Manifest, file: File, volumes: list[Path], target: Path, on_bytes: OnBytes | None
) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        digest = join_files(volumes, handle, on_bytes)
        os.fchmod(handle, READ_ONLY)
    finally:
        os.close(handle)
    if digest.sha256 != file.sha256:
        name = manifest.by_hash[file.sha256].volume_name(0)
        raise corrupt(
            [Finding(name, f"SHA-256 {file.sha256} over all its volumes", digest.sha256)], manifest, root.path
        )


def _has_links(root: Root) -> bool:
    """Whether the file system can give a volume a second name; tried, as nothing tells."""
    source, target = root.path / ".link-here.part", root.path / ".link-there.part"
    for each in (source, target):
        each.unlink(missing_ok=True)
    source.touch()
    try:
        os.link(source, target)
    except OSError:
        return False
    finally:
        for each in (source, target):
            each.unlink(missing_ok=True)
    return True
