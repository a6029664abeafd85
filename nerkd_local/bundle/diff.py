"""What changes from one bundle to another, by their manifests: packages, models and every other file."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.bundle.findings import shown
from nerkd_local.bundle.folder import open_folder
from nerkd_local.bundle.manifest import File, FileKind, Manifest
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import PublicKey
from nerkd_local.bundle.signed import read_received, read_signed, received_version, sender_key
from nerkd_local.bundle.space import readable
from nerkd_local.bundle.tool import add_key, add_root

_HEADINGS: Mapping[FileKind, str] = {
    "wheel": "packages",
    "lock": "requirements",
    "model": "models",
    "data": "data",
    "config": "configs",
    "sbom": "lists of parts",
    "vectors": "self-test vectors",
    "document": "documents",
    "result": "results",
}
_STAGES = ("dev", "a", "b", "rc")
_WHEEL = re.compile(r"(?P<name>[^-/]+)-(?P<version>[^-/]+)(?:-[^/]+)?\.whl")


@dataclass(frozen=True, slots=True)
class Change:
    """One line: what is changed, how (`added`, `removed`, `up`, `down`, `changed`), and the two versions or sizes."""

    kind: FileKind
    name: str
    how: str
    before: str | None
    after: str | None


def diff(before: Manifest, after: Manifest) -> list[Change]:
    """Every change from one manifest's files to another's, in the order of kinds and names.

    Wheels are compared by package: one that is there in another version went up or down; the same version with other
    bytes is `changed`.
    """
    changes = []
    for kind in _HEADINGS:
        one, other = _named(before.of_kind(kind)), _named(after.of_kind(kind))
        for name in sorted(one.keys() | other.keys()):
            change = _change(kind, name, one.get(name), other.get(name))
            if change is not None:
                changes.append(change)
    return changes


def _named(files: Iterable[File]) -> dict[str, tuple[File, ...]]:
    """The files by what they are compared by: wheels by their package, others by their path."""
    found: dict[str, tuple[File, ...]] = {}
    for file in files:
        wheel = _wheel(file)
        name = wheel[0] if wheel else file.path
        found[name] = (*found.get(name, ()), file)
    return found


def _wheel(file: File) -> tuple[str, str] | None:
    found = _WHEEL.fullmatch(file.path.rpartition("/")[2]) if file.kind == "wheel" else None
    return (re.sub(r"[-_.]+", "-", found["name"]).lower(), found["version"]) if found else None


def _change(
    kind: FileKind, name: str, before: tuple[File, ...] | None, after: tuple[File, ...] | None
) -> Change | None:
    old, new = _said(before), _said(after)
    if before is None or after is None:
        return Change(kind, name, "added" if before is None else "removed", old, new)
    if [file.sha256 for file in before] == [file.sha256 for file in after]:
        return None
    if old == new or _wheel(before[0]) is None:
        return Change(kind, name, "changed", old, new)
    up = _order(new or "") > _order(old or "")
    return Change(kind, name, "up" if up else "down", old, new)


def _said(files: tuple[File, ...] | None) -> str | None:
    if files is None:
        return None
    return ", ".join(wheel[1] if (wheel := _wheel(file)) else readable(file.size) for file in files)


def _order(version: str) -> tuple[list[int], int, list[int]]:
    """A version's place among others of its package, as far as the standard library tells: by its numbers, what comes
    before a release (`dev`, `a`, `b`, `rc`) below it, and a later build (`.post1`, `+cpu`) above it.
    """
    found = re.match(r"[0-9.]*", version)
    numbers = found[0] if found else ""
    rest = version[len(numbers) :].lower()
    release = [int(digits) for digits in re.findall(r"\d+", numbers)]
    while release and not release[-1]:  # 1.0 is 1
        release.pop()
    before = next((rank for rank, stage in enumerate(_STAGES) if rest.startswith(stage)), None)
    further = [int(digits) for digits in re.findall(r"\d+", rest)]
    return release, 0 if before is not None else 1 + bool(rest), [before or 0, *further]


def describe(before: Manifest, after: Manifest) -> str:
    """The changes as text: a line each, below a heading for every kind."""
    lines = [
        f"from {before.version} ({before.name}, {before.created})",
        f"to   {after.version} ({after.name}, {after.created})",
    ]
    if after.sequence < before.sequence:
        lines.append("the second is the older one: install refuses it where the first was installed")
    if before.target != after.target:
        lines.append(f"target: {before.target} -> {after.target}")
    changes = diff(before, after)
    for kind, heading in _HEADINGS.items():
        mine = [change for change in changes if change.kind == kind]
        if mine:
            lines.append(f"{heading}:")
            lines += [f"  {_line(change)}" for change in mine]
    if not changes:
        lines.append("no file is different")
    new = sum(each.size for each in after.objects if each.sha256 not in before.by_hash)
    carried = sum(volume.size for _, _, volume in after.numbered())
    lines.append(
        f"bytes: {_total(before)} -> {_total(after)}; {readable(new)} of that are new, the second carries "
        f"{readable(carried)}"
    )
    return "\n".join(lines)


def _total(manifest: Manifest) -> str:
    return readable(sum(each.size for each in manifest.objects))


def _line(change: Change) -> str:
    sign = {"added": "+", "removed": "-", "up": "^", "down": "v", "changed": "~"}[change.how]
    values = " -> ".join(value for value in (change.before, change.after) if value is not None)
    if change.how == "changed" and change.before == change.after:
        values = f"{change.before}, other bytes"
    return f"{sign} {shown(change.name)} {values}{' (down)' * (change.how == 'down')}"


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    for name, which in (("before", "the earlier"), ("after", "the later")):
        parser.add_argument(
            name,
            help=f"{which} bundle: its folder, or a received version (its name, its sequence, or how its name begins)",
        )
    add_key(parser)
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check both signatures, and print the changes. The contents are not looked at."""
    root = Root(arguments.root)
    key = sender_key(root, arguments.key)
    print(describe(_manifest(arguments.before, root, key), _manifest(arguments.after, root, key)))
    return 0


def _manifest(bundle: str, root: Root, key: PublicKey) -> Manifest:
    version = received_version(root, bundle)
    if version is not None:
        return read_received(root, version, key).manifest
    with open_folder(Path(bundle)) as folder:
        return read_signed(folder, key).manifest
