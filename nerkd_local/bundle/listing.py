"""What is received, installed and active under a root."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Literal

from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.receive import missing_base, missing_volumes
from nerkd_local.bundle.rollback import before_of
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signed import read_received
from nerkd_local.bundle.space import readable
from nerkd_local.bundle.tool import add_root
from nerkd_local.errors import InputError, NerkdError

Status = Literal["active", "before", "installed", "unfinished", "received", "incomplete", "unreadable"]


@dataclass(frozen=True, slots=True)
class Row:
    """A version. `before` was active before the active one; `unfinished` are installations that were broken off.

    What the manifest says is None where it is `unreadable`, as `problem` tells. `size` is in bytes: of the bundle's
    files once they are installed.
    """

    version: str
    status: Status
    name: str | None = None
    sequence: int | None = None
    created: str | None = None
    root_hash: str | None = None
    size: int | None = None
    installed: str | None = None
    problem: str | None = None


def list_versions(root: Root) -> list[Row]:
    """Every version that was received or installed, the lowest sequence first. Takes no lock and hashes no volume."""
    active = root.active()
    before = None if active is None else before_of(root, active)
    versions = root.path / "versions"
    unfinished = {each.name for each in versions.iterdir() if each.is_dir()} if versions.is_dir() else set()
    rows = []
    for version in sorted({*root.received_versions(), *unfinished}):
        try:
            manifest = read_received(root, version).manifest
        except NerkdError as error:
            rows.append(Row(version, "unreadable", problem=str(error)))
            continue
        rows.append(_row(root, manifest, active, before))
    return rows


def _row(root: Root, manifest: Manifest, active: str | None, before: str | None) -> Row:
    version, status, installed = manifest.version, "received", None
    if root.installed(version).is_file():
        status = "active" if version == active else "before" if version == before else "installed"
        installed = _installed_at(root, version)
    elif root.version(version).is_dir():
        status = "unfinished"
    elif missing_volumes(root, manifest) or missing_base(root, manifest):
        status = "incomplete"
    return Row(
        version,
        status,  # type: ignore[arg-type]  # one of the texts above
        manifest.name,
        manifest.sequence,
        manifest.created,
        manifest.root_hash,
        manifest.installed_bytes,
        installed,
    )


def _installed_at(root: Root, version: str) -> str | None:
    try:
        return str(json.loads(root.installed(version).read_bytes())["installed"])
    except (ValueError, KeyError, TypeError):
        return None


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a line a version, and what is wrong with those that cannot be read."""
    root = Root(arguments.root)
    if not root.path.is_dir():
        raise InputError("there is nothing here; nerkd-bundle receive FOLDER --key KEY", path=root.path)
    rows = list_versions(root)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1))
        return 0
    if not rows:
        print("nothing was received yet")
    for row in rows:
        if row.problem is not None:
            print(f"{row.version}  {row.status}\n  {row.problem}")
            continue
        assert row.size is not None
        print(f"{row.version}  {row.status:<10}  {row.name}  made {row.created}  {readable(row.size):>8}")
        print(f"  root hash {row.root_hash}" + (f"  installed {row.installed}" if row.installed else ""))
    return 0
