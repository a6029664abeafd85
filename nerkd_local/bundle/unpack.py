"""A verified bundle as plain files in a folder of their own: how results are read where they have been carried to.

Nothing is installed and nothing is run. The files appear under their names all at once, when each has been checked a
second time while it was copied: what changed on the medium in between is found. Who may read them, the umask says:
results may hold the text of the corpora.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from nerkd_local.bundle.contents import check_file
from nerkd_local.bundle.durable import sync_folder
from nerkd_local.bundle.findings import corrupt
from nerkd_local.bundle.folder import Folder, open_folder
from nerkd_local.bundle.hashing import OnBytes, hash_file
from nerkd_local.bundle.manifest import Manifest, Object
from nerkd_local.bundle.progress import Progress, progress, silent
from nerkd_local.bundle.refusals import Corrupt
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import PublicKey
from nerkd_local.bundle.signed import read_signed, sender_key
from nerkd_local.bundle.space import readable, require_space
from nerkd_local.bundle.tool import add_key, add_root
from nerkd_local.bundle.verify import verify
from nerkd_local.errors import InputError


def unpack(folder: Path, target: Path, key: PublicKey, *, progress: Progress = silent) -> Manifest:
    """Verify the bundle and write its files to the folder `target`; returns its manifest.

    `target` is there as a whole or not at all; if it already holds exactly these files, nothing is written. What an
    earlier attempt left is removed. Raises as `verify` does, InputError for a delta and for a target that holds
    anything else, and NoSpace before anything is written.
    """
    target = Path(os.path.abspath(target))  # `.` has no name
    _check_place(folder, target)
    with open_folder(folder) as opened:
        manifest = read_signed(opened, key).manifest
    if manifest.base is not None:
        raise InputError(
            f"goes on from an earlier bundle (sequence {manifest.base.sequence}) and does not hold all of its files; "
            "receive and install both",
            path=folder,
        )
    verify(folder, key, progress=progress)
    if target.exists() and any(target.iterdir()):
        if not _is_same(target, manifest):
            raise InputError("holds other files already; name a folder that is not there yet", path=target)
        return manifest
    _require_space(target, manifest)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = _staged(target)
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    with open_folder(folder) as opened, progress("copying", _size(manifest)) as on_bytes:
        for file in manifest.files:
            place = staged / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(opened, manifest, manifest.by_hash[file.sha256], place, on_bytes)
    for inside, _, _ in os.walk(staged):
        sync_folder(Path(inside))
    staged.rename(target)
    sync_folder(target.parent)
    return manifest


def _write(opened: Folder, manifest: Manifest, wanted: Object, place: Path, on_bytes: OnBytes | None) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        for number, volume in enumerate(wanted.volumes):
            name = wanted.volume_name(number)
            try:
                finding = check_file(opened, name, volume, copy_to=handle, on_bytes=on_bytes)
            except FileNotFoundError:
                raise _changed(opened.path / name) from None
            if finding is not None:
                raise corrupt([finding], manifest, opened.path)
        os.fsync(handle)
    finally:
        os.close(handle)


def _changed(place: Path) -> Corrupt:
    return Corrupt(
        "a file of the bundle went away after it was checked",
        where=place,
        likely="the medium was taken out, or somebody is at work on it",
        next_step="the same command",
    )


def _staged(target: Path) -> Path:
    """Where the files are until all are there: a name of our own, which a kill can leave behind."""
    return target.with_name(f".{target.name}.unpacking")


def _check_place(folder: Path, target: Path) -> None:
    here, there = folder.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise InputError(f"is, holds or is inside the bundle {folder}; name another folder", path=target)
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise InputError("is no folder; name one that is not there yet", path=target)


def _require_space(target: Path, manifest: Manifest) -> None:
    next_step = "make room, or name a folder on another disk; then the same command"
    require_space(
        target.parent, _size(manifest), "to lay the files out", files=len(manifest.files), next_step=next_step
    )


def _size(manifest: Manifest) -> int:
    """Of all files, those of the same content counted each."""
    return sum(file.size for file in manifest.files)


def _is_same(target: Path, manifest: Manifest) -> bool:
    """Whether the folder holds the bundle's files, byte for byte, and nothing else."""
    wanted = {file.path: file for file in manifest.files}
    there = [path for path in target.rglob("*") if path.is_symlink() or not path.is_dir()]
    if {path.relative_to(target).as_posix() for path in there} != wanted.keys():
        return False
    for path in there:
        if path.is_symlink() or not path.is_file():
            return False
        file = wanted[path.relative_to(target).as_posix()]
        if path.stat().st_size != file.size or hash_file(path).sha256 != file.sha256:
            return False
    return True


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("target", type=Path, metavar="FOLDER", help="where to lay its files out: a new folder")
    add_key(parser)
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Unpack, and say what lies where."""
    key = sender_key(Root(arguments.root), arguments.key)
    manifest = unpack(arguments.bundle, arguments.target, key, progress=progress)
    size = readable(_size(manifest))
    text = "" if manifest.text is None else f", text of the corpora: {manifest.text}"
    print(f"{len(manifest.files):,} files ({size}) of {manifest.name}, {manifest.kind}{text} -> {arguments.target}")
    print(f"  root hash {manifest.root_hash}")
    return 0
