"""What outlives every version under a root: whose toolkit it is, and the highest sequence that was ever active."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from nerkd_local.bundle.durable import write_durably
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.refusals import Corrupt, LowerSequence
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signed import read_received
from nerkd_local.bundle.versions import sequence_of
from nerkd_local.errors import InputError


@dataclass(frozen=True, slots=True)
class State:
    """The bundle with the highest sequence that was ever active here."""

    name: str
    sequence: int
    version: str


def read_state(root: Root) -> State | None:
    """The state; None before the first activation. Raises Corrupt if it cannot be read.

    What is active counts as well, should somebody have removed the note.
    """
    noted, active = _read(root), root.active()
    if active is None or (noted is not None and noted.sequence >= sequence_of(active)):
        return noted
    manifest = read_received(root, active).manifest
    return State(manifest.name, manifest.sequence, manifest.version)


def _read(root: Root) -> State | None:
    try:
        content = root.state.read_bytes()
    except FileNotFoundError:
        return None
    try:
        state = State(**json.loads(content))
        if type(state.sequence) is not int or not isinstance(state.name, str) or not isinstance(state.version, str):
            raise TypeError
    except (ValueError, TypeError):
        raise Corrupt(
            "what was installed here before cannot be read, so that an older bundle would not be told from a newer one",
            where=root.state,
            likely="somebody edited it, or the disk has a fault",
            next_step=f'write into it, on one line: {{"name": NAME, "sequence": N, "version": VERSION}}, from the '
            f"highest line of: nerkd-bundle list --root {root.path}",
        ) from None
    return state


def raise_state(root: Root, manifest: Manifest) -> None:
    """Note that this bundle is about to become active, if none with a higher sequence ever was."""
    state = read_state(root)
    if state is None or state.sequence < manifest.sequence:
        new = State(manifest.name, manifest.sequence, manifest.version)
        write_durably(root.state, json.dumps(asdict(new), ensure_ascii=False).encode("utf-8") + b"\n")


def require_successor(root: Root, manifest: Manifest) -> None:
    """Raise LowerSequence unless the bundle is a later one than all that were active here, or the very latest of them.

    Raises InputError if it is another name's: its sequence would mean nothing.
    """
    state = read_state(root)
    if state is None:
        return
    if manifest.name != state.name:
        raise InputError(
            f"the bundle is {manifest.name!r}, and {state.name!r} is installed here; give each its own --root",
            path=root.path,
        )
    if manifest.sequence > state.sequence or manifest.version == state.version:
        return
    equal = manifest.sequence == state.sequence
    likely = (
        "two different bundles were created with one sequence"
        if equal
        else "it is an earlier bundle, or a copy of one that somebody brings back"
    )
    raise LowerSequence(
        "the bundle is not newer than what was active here",
        where=root.path,
        expected=f"a sequence above {state.sequence} (version {state.version})",
        found=f"sequence {manifest.sequence} (version {manifest.version})",
        likely=likely,
        next_step="to go back to a version that is still installed: nerkd-bundle rollback, or activate VERSION",
    )
