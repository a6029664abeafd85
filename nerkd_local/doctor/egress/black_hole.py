"""A command run where all that it sends is swallowed and counted.

The network there looks as if it worked: there is a route to everywhere and a resolver, so what tries to reach out
does not fail at once but waits for an answer, as it would behind a firewall that drops. What waits is seen in the time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nerkd_local.doctor.egress.addresses import is_listened_to_from_outside
from nerkd_local.doctor.egress.packets import Packet, read_frame, read_socket_address

_INSIDE = Path(__file__).with_name("inside.py")
_MORE_S = 60.0  # for building the hole and for ending what is left


class CannotBuild(Exception):
    """A black hole cannot be had on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Swallowed:
    """What happened to a command in the black hole."""

    code: int | None
    """Its exit code; None where it was ended because its time was up."""
    seconds: float
    packets: int
    """All that were sent, by the kernel's own count."""
    kinds: tuple[tuple[Packet, int], ...]
    """What the first of them were, with how many of each, where the kernel lets them be looked at."""
    listeners: tuple[str, ...]
    """Where TCP was listened on for other machines. Looked for twice a second: one that was shorter may be missed."""
    left: tuple[str, ...]
    """Processes that still ran some seconds after the command's end."""
    ipv6: bool
    """Whether IPv6 could leak too; where it is not in the kernel it cannot."""
    names: bool
    """Whether questions for names were led into the hole; else they went to loopback, and were not counted."""


def run_swallowed(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
    log: IO[bytes] | int = subprocess.DEVNULL,
) -> Swallowed:
    """Run the command in a black hole of its own. Whatever it has left running is killed at the end.

    As another user than root, the command sees itself as root of a user namespace of its own. `log` takes what it
    prints. Raises CannotBuild where the machine does not let us.
    """
    with tempfile.TemporaryDirectory(prefix="nerkd-egress-") as folder:
        report = Path(folder) / "report.json"
        apart = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--"]
        watched = [sys.executable, "-I", "-S", str(_INSIDE), str(report), str(timeout_s), *command]
        try:
            process = subprocess.Popen(
                [*apart, *watched],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise CannotBuild(f"{apart[0]}: {error.strerror}") from None
        try:
            _, said = process.communicate(timeout=timeout_s + _MORE_S)
        except BaseException:
            process.terminate()  # on which it ends all that runs in there
            process.wait()
            raise
        if not report.exists():
            words = said.decode("utf-8", "replace").strip()
            raise CannotBuild(words or f"unshare ended with {process.returncode}")
        found = json.loads(report.read_text(encoding="utf-8"))
    if "trouble" in found:
        raise CannotBuild(found["trouble"])
    return _read(found)


def _read(found: Mapping[str, Any]) -> Swallowed:
    packets = Counter(read_frame(bytes.fromhex(frame)) for frame in found["frames"])
    places = dict.fromkeys(map(read_socket_address, found["listeners"]))
    return Swallowed(
        code=found["code"],
        seconds=found["seconds"],
        packets=found["packets"],
        kinds=tuple(packets.most_common()),
        listeners=tuple(str(place) for place in places if is_listened_to_from_outside(place.host)),
        left=tuple(found["left"]),
        ipv6=found["ipv6"],
        names=found["names"],
    )
