"""Switch to an installed version: one rename, before which the old one is active and after which the new one is."""

from __future__ import annotations

import argparse

from nerkd_local.bundle import steps
from nerkd_local.bundle.durable import point, write_durably
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signed import read_received
from nerkd_local.bundle.state import raise_state
from nerkd_local.bundle.tool import add_root
from nerkd_local.bundle.versions import find_version


def activate(root: Root, version: str) -> str | None:
    """Make an installed version the active one; returns the one that was active before (None: none was).

    Takes the lock. Raises InputError if it is not installed. Going back to a lower sequence is allowed here: somebody
    chose it by name among those that once passed every check.
    """
    with root.locked():
        known = root.installed_versions()
        version = find_version(version, known, "installed", root.path)
        before = root.active()
        switch(root, read_received(root, version).manifest)
        return before


def switch(root: Root, manifest: Manifest) -> None:
    """Make the installed version the active one; nothing happens if it is. The caller holds the lock.

    A kill leaves the old one active, and at most a note of what was about to happen, which the next call overwrites.
    """
    version, before = manifest.version, root.active()
    if before == version:
        return
    if before is None:
        root.before(version).unlink(missing_ok=True)
    else:
        write_durably(root.before(version), before.encode("ascii") + b"\n")
    steps.reached("it is noted what was active before")
    raise_state(root, manifest)
    steps.reached("the highest sequence is noted")
    point(root.current, f"versions/{version}")
    steps.reached("it is active")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("version", help="an installed version: its name, its sequence, or how its name begins")
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Activate, and say from what to what."""
    root = Root(arguments.root)
    before = activate(root, arguments.version)
    active = root.active()
    if active == before:
        print(f"{active} is active already")
    else:
        print(f"active: {active} (before: {before or 'none'})")
    return 0
