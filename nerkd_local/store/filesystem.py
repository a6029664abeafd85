"""Which file system a path is on: SQLite's locks and its write-ahead log hold on a local one only."""

from __future__ import annotations

import re
from pathlib import Path

from nerkd_local.errors import InputError

# fmt: off
NETWORK = frozenset(
    [
        "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "openafs", "ceph", "fuse.ceph",
        "glusterfs", "fuse.glusterfs", "lustre", "gpfs", "beegfs", "fuse.beegfs", "pvfs2", "orangefs", "panfs", "ocfs2",
        "gfs2", "fuse.sshfs", "fuse.s3fs", "fuse.goofys", "fuse.rclone", "wekafs", "vastfs", "9p", "virtiofs", "coda",
        "davfs", "fuse.davfs2",
    ]
)
# fmt: on
"""Names, as Linux has them, of file systems that other machines may write to as well."""

MOUNTS = Path("/proc/self/mountinfo")


def file_system(path: Path, mounts: Path = MOUNTS) -> tuple[str, str]:
    """The type and the mount point of the file system that holds a path (which need not exist yet).

    ("unknown", "/") where the machine does not tell.
    """
    wanted = path.resolve()
    found = ("unknown", "/")
    if not mounts.exists():
        return found
    depth = -1
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        # white space and backslashes in a mount point are written as octal escapes (proc(5))
        point = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4]))
        # the deepest mount point; of several on the same one, the last covers the others
        if wanted.is_relative_to(point) and len(point.parts) >= depth:
            depth, found = len(point.parts), (after.split()[0], str(point))
    return found


def refuse_network(path: Path, mounts: Path = MOUNTS) -> None:
    """Raise InputError if the path is on a network file system."""
    kind, point = file_system(path, mounts)
    if kind in NETWORK:
        raise InputError(
            f"is on a network file system ({kind} at {point}), where a store's locks and log do not hold; "
            "work on a local disk: nerkd annotate --scratch FOLDER copies the sealed result here",
            path=path,
        )
