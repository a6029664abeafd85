"""Copy a bundle from the medium it came on into the store of the closed side, as often as it takes.

Every volume is hashed while it is copied, lies under `.part` until its last byte is on the disk, and takes its name
by a rename: whatever has a name in the store is good, however a call before ended. Only whole volumes are kept from
a call that was broken off, so at most one is copied twice.
"""

from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from nerkd_local.bundle.contents import check_beside, check_file, check_names, volume_numbers
from nerkd_local.bundle.durable import sync_folder, write_durably
from nerkd_local.bundle.findings import Finding, corrupt, incomplete
from nerkd_local.bundle.folder import Folder, open_folder
from nerkd_local.bundle.hashing import OnBytes
from nerkd_local.bundle.manifest import MANIFEST, SIGNATURE, Manifest, Volume
from nerkd_local.bundle.progress import Progress, progress, silent
from nerkd_local.bundle.root import Root, make_folders
from nerkd_local.bundle.signature import PublicKey, read_public_key
from nerkd_local.bundle.signed import Signed, pinned_key, read_signed
from nerkd_local.bundle.space import readable, require_space
from nerkd_local.bundle.tool import add_key, add_root
from nerkd_local.errors import InputError


@dataclass(frozen=True, slots=True)
class Received:
    """A bundle that is whole in the store. The bytes are those of its volumes, copied now and kept from before."""

    manifest: Manifest
    key: PublicKey
    copied_bytes: int
    kept_bytes: int

    @property
    def version(self) -> str:
        """The name it has here."""
        return self.manifest.version


def receive(source: Path, root: Root, public_key: Path | None = None, *, progress: Progress = silent) -> Received:
    """Take in what the folder `source` has of a bundle; other media may bring the rest.

    The first bundle needs the public key, which is pinned then. Before a volume is copied: the signature, whether
    anything in the folder does not belong or is not what was sent beside the volumes (Corrupt), and the room on the
    disk (NoSpace). A volume that is not what was sent is named, and the others are taken in: Corrupt comes at the end,
    or else Incomplete, if volumes are in neither the folder nor the store.
    """
    with root.locked():
        key = pinned_key(root, public_key)
        with open_folder(source) as folder:
            signed = read_signed(folder, key)
            manifest = signed.manifest
            if manifest.kind != "toolkit":
                raise InputError(
                    "is a bundle of results, which is not installed: nerkd-bundle unpack lays its files out",
                    path=source,
                )
            _check_around(folder, manifest)
            _pin(root, key)
            _store_manifest(root, signed)
            taken = _take_in(folder, root, manifest, progress)
        missing = [number for number, name, _ in manifest.numbered() if name in taken.missing]
        if taken.findings:
            raise corrupt(taken.findings, manifest, source, missing)
        base = missing_base(root, manifest)
        if missing or base:
            raise incomplete(manifest, missing, source, base=base)
        return Received(manifest, key, taken.copied_bytes, taken.kept_bytes)


def missing_volumes(root: Root, manifest: Manifest) -> list[int]:
    """The numbers of the volumes that the bundle carries and the store does not hold."""
    return [number for number, name, volume in manifest.numbered() if not _is_here(root, name, volume)]


def missing_base(root: Root, manifest: Manifest) -> int:
    """How many volumes of the earlier bundle, which a delta needs, the store does not hold."""
    return sum(
        not _is_here(root, each.volume_name(number), volume)
        for each in manifest.objects
        if not each.carried
        for number, volume in enumerate(each.volumes)
    )


def _is_here(root: Root, name: str, volume: Volume) -> bool:
    path = root.path / name
    return path.is_file() and not path.is_symlink() and path.stat().st_size == volume.size


def _pin(root: Root, key: PublicKey) -> None:
    if not root.key.exists():
        write_durably(root.key, key.pem, mode=0o444)


def _check_around(folder: Folder, manifest: Manifest) -> None:
    """Refuse, before hours of copying, what is wrong with everything but the volumes' contents."""
    names = check_names(folder, manifest)
    findings = [*names, *check_beside(folder, manifest, strange={finding.name for finding in names}).findings]
    if findings:
        raise corrupt(findings, manifest, folder.path)


def _store_manifest(root: Root, signed: Signed) -> None:
    """Keep manifest and signature: both, or neither."""
    target = root.bundle(signed.manifest.version)
    contents = {MANIFEST: signed.manifest.content, SIGNATURE: signed.signature}
    if root.objects.is_symlink():
        raise InputError("is a link; let the whole root lie where there is room", path=root.objects)
    make_folders(root.objects)
    make_folders(target.parent)
    if target.is_dir():
        for name, content in contents.items():
            if not (target / name).is_file() or (target / name).read_bytes() != content:
                write_durably(target / name, content)
        return
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    make_folders(partial)
    for name, content in contents.items():
        write_durably(partial / name, content)
    os.rename(partial, target)
    for each in (target.parent, root.path):
        sync_folder(each)


@dataclass(slots=True)
class _Taken:
    copied_bytes: int = 0
    kept_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def _take_in(folder: Folder, root: Root, manifest: Manifest, progress: Progress) -> _Taken:
    volumes = [(name, volume) for _, name, volume in manifest.numbered()]
    there = {name for name, kind in folder.entries().items() if kind == "file"}
    new = {name: volume for name, volume in volumes if name in there and not _is_here(root, name, volume)}
    _remove_stale(root)
    require_space(root.objects, sum(volume.size for volume in new.values()), "to receive the bundle", files=len(new))
    numbers, taken = volume_numbers(manifest), _Taken()
    kept = [(name, volume) for name, volume in volumes if name not in new and _is_here(root, name, volume)]
    with progress("receiving", sum(volume.size for _, volume in [*kept, *new.items()])) as on_bytes:
        for name, volume in volumes:
            if _is_good(root, name, volume, on_bytes):
                taken.kept_bytes += volume.size
                continue
            try:
                finding = _copy(folder, root, name, volume, on_bytes)
            except FileNotFoundError:
                taken.missing.add(name)
                continue
            if finding is None:
                taken.copied_bytes += volume.size
            else:
                taken.findings.append(replace(finding, number=numbers[name]))
    return taken


def _is_good(root: Root, name: str, volume: Volume, on_bytes: OnBytes) -> bool:
    """Whether the store holds the volume; what has its name and is something else is removed."""
    path = root.path / name
    if not os.path.lexists(path):
        return False
    with open_folder(root.path) as store:
        good = check_file(store, name, volume, on_bytes=on_bytes) is None
    if not good:
        path.unlink()
    return good


def _copy(folder: Folder, root: Root, name: str, volume: Volume, on_bytes: OnBytes) -> Finding | None:
    """Copy a volume into the store; what is wrong with it, if it is not what was sent.

    Raises FileNotFoundError if it is not there.
    """
    path = root.path / name
    part = path.with_name(f"{path.name}.part")
    target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
    try:
        finding = check_file(folder, name, volume, copy_to=target, on_bytes=on_bytes)
        if finding is None:
            os.fchmod(target, 0o444)  # whatever the umask is: what is installed links to it
            os.fsync(target)
            os.rename(part, path)
            sync_folder(path.parent)
        return finding
    finally:
        os.close(target)
        part.unlink(missing_ok=True)


def _remove_stale(root: Root) -> None:
    """Remove what calls that were killed left: we hold the lock, nobody writes them."""
    for path in root.objects.glob("*.part"):
        path.unlink()


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder on the medium")
    add_key(parser)
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Receive, and say what to do next."""
    root = Root(arguments.root)
    pinned = root.key.exists()
    try:
        received = receive(arguments.bundle, root, arguments.key, progress=progress)
    finally:
        if not pinned and root.key.exists():
            print(f"pinned the key with the fingerprint {read_public_key(root.key).fingerprint}")
    manifest = received.manifest
    print(
        f"received {received.version}: {readable(received.copied_bytes)} copied, {readable(received.kept_bytes)} were "
        f"here and are good; whole\n"
        f"  root hash {manifest.root_hash}\n"
        f"  bundle    {manifest.name}, sequence {manifest.sequence}, made {manifest.created}\n"
        f"  next      nerkd-bundle install {received.version}"
    )
    return 0
