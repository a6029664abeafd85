"""Which volumes of a received bundle are still missing, as a list that is copied by hand."""

from __future__ import annotations

import argparse

from nerkd_local.bundle.findings import incomplete
from nerkd_local.bundle.receive import missing_base, missing_volumes
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signed import read_received
from nerkd_local.bundle.tool import add_root
from nerkd_local.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("version", nargs="?", help="the version of a received bundle [the one with the last sequence]")
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Raise Incomplete with the list, or say that nothing is missing. Names and sizes are looked at, not contents."""
    root = Root(arguments.root)
    version = arguments.version or next(reversed(root.received_versions()), None)
    if version is None:
        raise InputError("no bundle was received here yet", path=root.path)
    manifest = read_received(root, version).manifest
    numbers, base = missing_volumes(root, manifest), missing_base(root, manifest)
    if numbers or base:
        raise incomplete(manifest, numbers, root.bundle(version), base=base)
    print(f"nothing is missing of {version}; next: nerkd-bundle install {version}")
    return 0
