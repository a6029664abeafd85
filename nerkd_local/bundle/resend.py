"""On the sending side: the volumes that are missing over there, on a medium of their own.

What is written is a bundle like the whole one, with its manifest and signature and fewer volumes: `receive` takes both
alike.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from nerkd_local.bundle.contents import check_file
from nerkd_local.bundle.durable import sync_folder
from nerkd_local.bundle.findings import Finding, corrupt, missing_list
from nerkd_local.bundle.folder import Folder, Strange, open_folder
from nerkd_local.bundle.hashing import OnBytes, Unreadable
from nerkd_local.bundle.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    OBJECTS,
    SIGNATURE,
    Beside,
    Manifest,
    Volume,
    read_manifest,
)
from nerkd_local.bundle.progress import Progress, progress, silent
from nerkd_local.bundle.ranges import read_numbers
from nerkd_local.bundle.refusals import Incomplete
from nerkd_local.bundle.signature import SIGNATURE_BYTES
from nerkd_local.bundle.space import readable, require_space
from nerkd_local.errors import InputError


def resend(folder: Path, volumes: str, target: Path, *, progress: Progress = silent) -> tuple[Manifest, list[int]]:
    """Copy the volumes that a list names (`3 7-12 of 240`), with manifest, signature and the files beside them.

    `target` is new, empty, or left from the same call before: its good files are kept. Returns the manifest and the
    numbers. Raises InputError for a list that does not fit and a target that holds something else; Corrupt or
    Incomplete if the folder does not have the volumes as they were signed.
    """
    with open_folder(folder) as source:
        content = _read(source, MANIFEST, MAX_MANIFEST)
        manifest = read_manifest(content)
        signature = _read(source, SIGNATURE, SIGNATURE_BYTES)
        listed = manifest.numbered()
        numbers = read_numbers(volumes, len(listed))
        wanted: dict[str, Volume | Beside] = {each.path: each for each in manifest.beside}
        wanted |= {name: volume for _, name, volume in (listed[number - 1] for number in numbers)}
        _check_target(target, {MANIFEST, SIGNATURE, *wanted})
        (target / OBJECTS).mkdir(parents=True, exist_ok=True)
        _copy_all(source, manifest, wanted, target, progress)
    for name, small in ((SIGNATURE, signature), (MANIFEST, content)):  # the manifest last: without it nothing counts
        _write(target / name, small)
    return manifest, numbers


def _read(source: Folder, name: str, at_most: int) -> bytes:
    try:
        return source.read(name, at_most)
    except (FileNotFoundError, Strange, Unreadable):
        raise InputError(f"is no bundle: it has no {name} that can be read", path=source.path) from None


def _check_target(target: Path, wanted: set[str]) -> None:
    """Refuse a medium with anything else on it, links above all: they would lead what is written away from it."""
    if not target.exists():
        return
    with open_folder(target) as folder:
        foreign = {
            name
            for name, kind in folder.entries().items()
            if (kind != "folder" if name == OBJECTS else kind != "file" or name.removesuffix(".part") not in wanted)
        }
    if foreign:
        raise InputError(f"holds something else already ({min(foreign)!r}); name a new folder", path=target)


def _copy_all(
    source: Folder, manifest: Manifest, wanted: dict[str, Volume | Beside], target: Path, progress: Progress
) -> None:
    for stale in target.rglob("*.part"):
        stale.unlink()
    numbers = {name: number for number, name, _ in manifest.numbered()}
    missing, findings = [], []
    with open_folder(target) as there, progress("copying", sum(each.size for each in wanted.values())) as on_bytes:
        names = there.entries()
        needed = {name: each for name, each in wanted.items() if name not in names}
        require_space(target, sum(each.size for each in needed.values()), "for the volumes", next_step="make room")
        for name, each in wanted.items():
            if name in names and check_file(there, name, each, on_bytes=on_bytes) is None:
                continue
            try:
                finding = _copy(source, name, each, target / name, on_bytes)
            except FileNotFoundError:
                missing.append(name)
                continue
            if finding is not None:
                findings.append(replace(finding, number=numbers.get(name)))
    gone = [numbers[name] for name in missing if name in numbers]
    if findings:
        raise corrupt(findings, manifest, source.path, gone)
    if missing:
        raise Incomplete(
            "the bundle here does not have what is to be sent",
            where=source.path,
            expected=f"the volumes {missing_list(manifest, gone)}" if gone else None,
            found=f"no {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}",
            likely="this is a medium with a part of the bundle only",
            next_step="name the folder that the bundle was created in",
        )


def _copy(source: Folder, name: str, wanted: Volume | Beside, target: Path, on_bytes: OnBytes) -> Finding | None:
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as out:
            finding = check_file(source, name, wanted, copy_to=out.fileno(), on_bytes=on_bytes)
            os.fsync(out.fileno())
        if finding is None:
            part.replace(target)
            sync_folder(target.parent)
        return finding
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """As `write_durably`, but without a mode: FAT has none, and refuses to be given one."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    sync_folder(path.parent)


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the whole bundle's folder, on the sending side")
    parser.add_argument("volumes", help='the list as the other side printed it: "3 7-12 of 240"')
    parser.add_argument("medium", type=Path, help="a new folder on the medium")


def run(arguments: argparse.Namespace) -> int:
    """Copy, and say what it is."""
    manifest, numbers = resend(arguments.bundle, arguments.volumes, arguments.medium, progress=progress)
    listed = manifest.numbered()
    size = sum(listed[number - 1][2].size for number in numbers)
    print(
        f"{len(numbers):,} volumes ({readable(size)}) of {manifest.version} are in {arguments.medium}\n"
        f"  next      over there: nerkd-bundle receive MEDIUM"
    )
    return 0
