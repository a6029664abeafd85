"""Switch back to the version that was active before the active one, by the same single rename."""

from __future__ import annotations

import argparse

from nerkd_local.bundle.durable import point
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import add_root
from nerkd_local.errors import InputError


def rollback(root: Root) -> tuple[str, str]:
    """Make the version active that was so before; returns the one left and the one that is active now.

    A second call goes one further back. Bundles below the highest sequence are refused as before: what was left can be
    activated again, an earlier one cannot be brought in. Raises InputError if there is nothing to go back to.
    """
    with root.locked():
        left = root.active()
        if left is None:
            raise InputError("nothing is active here, so there is nothing to go back from", path=root.path)
        before = before_of(root, left)
        installed = root.installed_versions()
        if before is None:
            raise InputError(f"nothing was active before {left}", path=root.path)
        if before not in installed:
            raise InputError(
                f"{before}, which was active before {left}, is not installed any more "
                f"(installed: {', '.join(installed)}; nerkd-bundle activate VERSION switches to one of them)",
                path=root.path,
            )
        point(root.current, f"versions/{before}")
        return left, before


def before_of(root: Root, version: str) -> str | None:
    """The version that was active before that one became it; None if none was."""
    try:
        return root.before(version).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Roll back, and say from what to what."""
    left, active = rollback(Root(arguments.root))
    print(f"active: {active} (left: {left}; nerkd-bundle activate {left} goes forward again)")
    return 0
