"""Remove what nothing needs any more: old versions, unfinished ones, their manifests, and volumes that no other has.

What is active and what was so before it stay. Whatever is removed first stops being counted on, so that a kill in
between leaves nothing that looks whole and is not: the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.bundle import steps
from nerkd_local.bundle.durable import sync_folder
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.rollback import before_of
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signed import read_received
from nerkd_local.bundle.space import readable
from nerkd_local.bundle.state import read_state
from nerkd_local.bundle.tool import add_root
from nerkd_local.bundle.versions import is_version, sequence_of
from nerkd_local.errors import InputError

_KEPT = 2


@dataclass(frozen=True, slots=True)
class Removal:
    """Something to remove: what it is, where, and how many bytes that gives back."""

    what: str
    path: Path
    size: int


def gc(root: Root, *, keep: int = 0, dry_run: bool = False) -> list[Removal]:
    """Remove it (unless `dry_run`), and return what was removed, in that order.

    Kept are the active version, the one before it, and `keep` more of those that are installed, the newest first; where
    the active one has none before it, one more. So are bundles that wait: those with a sequence above all that were
    ever active. Raises InputError, BadSignature or Corrupt, having removed nothing, if a bundle that is kept cannot be
    read: its volumes would be taken for superfluous.
    """
    if keep < 0:
        raise InputError(f"--keep {keep}: a number from 0 on is needed")
    if not root.path.is_dir():
        raise InputError("there is nothing here", path=root.path)
    with root.locked():
        kept = kept_versions(root, keep)
        needed = _needed_volumes(root, kept)
        removals = list(_removals(root, kept, needed))
        if not dry_run:
            for removal in removals:
                _remove(removal.path)
        return removals


def kept_versions(root: Root, keep: int = 0) -> set[str]:
    """The versions that stay (see `gc`)."""
    installed, state, active = root.installed_versions(), read_state(root), root.active()
    highest = 0 if state is None else state.sequence
    waiting = {each for each in {*root.received_versions(), *installed} if _sequence(each) > highest}
    if active is None:
        return {*installed, *waiting}
    before = before_of(root, active)
    kept = [active, *([before] if before in installed else [])]
    others = [each for each in reversed(installed) if each not in kept and each not in waiting]
    return {*kept, *others[: _KEPT + keep - len(kept)], *waiting}


def _sequence(version: str) -> int:
    return sequence_of(version) if is_version(version) else 0


def _needed_volumes(root: Root, kept: Collection[str]) -> set[str]:
    """The names of all volumes of the kept versions, whether they came with them or with an earlier bundle."""
    manifests: list[Manifest] = [read_received(root, version).manifest for version in sorted(kept)]
    return {
        each.volume_name(number)
        for manifest in manifests
        for each in manifest.objects
        for number in range(len(each.volumes))
    }


def _removals(root: Root, kept: Collection[str], needed: Collection[str]) -> Iterator[Removal]:
    installed = root.installed_versions()
    for parent, whole, part in (
        ("versions", "version", "what was left of a version"),
        ("bundles", "manifest of", "what was left of a manifest"),
    ):
        for path in _entries(root.path / parent):
            if path.name in kept and (parent == "bundles" or path.name in installed):
                continue
            is_whole = is_version(path.name) and (parent == "bundles" or path.name in installed)
            yield Removal(f"{whole if is_whole else part} {path.name}", path, _own_bytes(path))
    for path in _entries(root.objects):
        if f"{root.objects.name}/{path.name}" not in needed:
            what = "half a volume" if path.name.endswith(".part") else "volume"
            yield Removal(f"{what} {path.name}", path, path.lstat().st_size)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _own_bytes(path: Path) -> int:
    """The bytes of files in it that have no other name: those with one are volumes, and are counted there."""
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            status = os.lstat(os.path.join(parent, name))
            total += status.st_size if status.st_nlink == 1 else 0
    return total


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        # without it, what a kill leaves of the folder is unfinished, and no version
        (path / "installed.json").unlink(missing_ok=True)
        sync_folder(path)
        steps.reached(f"{path.name} is no version any more")
        shutil.rmtree(path)
    steps.reached(f"{path.name} is gone")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--keep", type=int, default=0, metavar="N", help="keep N more versions [%(default)s]")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Remove, and say what."""
    root = Root(arguments.root)
    removals = gc(root, keep=arguments.keep, dry_run=arguments.dry_run)
    volumes = [each for each in removals if each.path.parent == root.objects]
    for removal in removals:
        if removal not in volumes:
            print(f"{removal.what} ({readable(removal.size)})")
    if volumes:
        print(f"{len(volumes):,} volumes ({readable(sum(each.size for each in volumes))})")
    total = readable(sum(each.size for each in removals))
    would = "would be removed; nothing was" if arguments.dry_run else "removed"
    print(f"{total} {would}" if removals else "there is nothing to remove")
    print(f"kept: {', '.join(sorted(kept_versions(root, arguments.keep))) or 'no version'}")
    return 0
