"""Is the way out shut, and is the loopback interface, by which the parts talk to each other, open?"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from nerkd_local import offline
from nerkd_local.doctor.finding import Finding
from nerkd_local.offline import guard
from nerkd_local.offline.profile import NETWORK, Profile

_HOST = "127.0.0.1"
_FEW_PORTS = 1000
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")


def switches(sealed: bool | None = None) -> Finding:
    """Whether every library was told to stay off the network."""
    if offline.is_sealed() if sealed is None else sealed:
        return Finding("network switches", "ok", "all set")
    fix = "start the toolkit by its command, nerkd; in code of your own call nerkd_local.offline.seal() first"
    return Finding("network switches", "fail", "not all set in this process", fix)


def profile(active: Profile | None) -> Finding:
    """What this process may reach: the profile that its guard enforces, or that there is none."""
    if active is None:
        fix = "start the toolkit by its command, nerkd; in code of your own call nerkd_local.offline.seal() first"
        return Finding("network guard", "fail", "no guard: Python code in this process may reach any machine", fix)
    if active.is_local:
        return Finding("network guard", "ok", "local: this machine alone; anything else is refused")
    return Finding("network guard", "ok", f"{active}; anything else is refused ({NETWORK}, nerkd --network)")


def blind_spots() -> Finding:
    """What the guard cannot see: known without a look, and no reason to call it well."""
    return Finding(
        "beyond the guard", "unknown", guard.BLIND, "nerkd doctor --egress watches the processes from outside"
    )


def loopback(listen: Callable[[], int] | None = None) -> Finding:
    """Whether a process can reach another one on this machine: ranks, engines and servers do."""
    try:
        port = (listen or _talk_to_itself)()
    except OSError as error:
        fix = "ip link set lo up (as root)" if error.errno in _NO_LOOPBACK else "look at the firewall: nft list ruleset"
        return Finding("loopback ports", "fail", f"no connection on {_HOST}: {error.strerror or error}", fix)
    return Finding("loopback ports", "ok", f"{_HOST}, tried on port {port}")


_NO_LOOPBACK = (errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.ENETDOWN)


def free_ports(span: str | None = None) -> Finding:
    """How many ports there are to choose a free one from; every port here is chosen so, none is fixed."""
    if span is None:
        try:
            span = _PORTS.read_text()
        except OSError:
            span = ""
    numbers = [int(part) for part in span.split() if part.isdigit()]
    if len(numbers) != 2:
        return Finding("free ports", "unknown", f"{_PORTS} does not tell", "mount -t proc proc /proc")
    count = numbers[1] - numbers[0] + 1
    if count < _FEW_PORTS:
        fix = "as root: sysctl -w net.ipv4.ip_local_port_range='32768 60999'"
        return Finding("free ports", "warn", f"{count} to choose from ({numbers[0]} to {numbers[1]})", fix)
    return Finding("free ports", "ok", f"{count:,} to choose from")


def proxies(environment: Mapping[str, str]) -> Finding:
    """Whether the environment names a machine to reach others through."""
    named = sorted(name for name in environment if name.casefold() in _PROXIES and environment[name])
    if named:
        fix = f"unset {' '.join(named)}"
        return Finding("proxies", "warn", f"the environment names one ({', '.join(named)}); nothing here asks it", fix)
    return Finding("proxies", "ok", "none named")


def _talk_to_itself() -> int:
    """Listen on a free port and connect to it; the port. Raises OSError where that does not work."""
    with closing(socket.socket()) as server, closing(socket.socket()) as client:
        server.bind((_HOST, 0))
        server.listen()
        client.settimeout(5)
        port: int = server.getsockname()[1]
        client.connect((_HOST, port))
        return port
