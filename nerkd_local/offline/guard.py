"""What Python in this process may reach: a hook of the interpreter's own that refuses the rest before it happens.

It hears of every lookup of a name, connection, datagram and bound address (`sys.addaudithook`), in whatever library,
and Python has no call that takes it back. What it would hear of too late, or not at all, is looked at on its way: names
that are handed to a socket as such (the C code looks them up before it says so), and `listen`.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import re
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from nerkd_local.offline.profile import NETWORK, Profile, read_address

BLIND = (
    "It sees what Python code does in this process. It does not see native code that opens sockets by itself (gloo, "
    "NCCL, torch's TCPStore, ZeroMQ, uvloop, clients written in Rust or C), nor other programs: those that are not "
    "Python (nvidia-smi, git, a compiler), and Python's own that a library starts without sealing them, or runs in a "
    "second interpreter of this process. Those are held by their switches alone, which keep them on the loopback "
    "interface or on the cluster's. A local daemon behind a Unix socket is not followed either."
)
"""What the guard cannot refuse, in words for those who rely on it."""

_PROBE = "nerkd.guard"
_MARK = "nerkd-sealed-"
_HOSTS = Path("/etc/hosts")
_MOST_KEPT = 100
# -1: of a descriptor that is there already
_FAMILIES = {-1, socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}
_INTERNET = {socket.AF_INET, socket.AF_INET6}
# what socket.socket is made of: its methods look names up, and listen, before or without saying so
_RAW = socket.SocketType
_ANY = ("", "0.0.0.0", "::")
_LOOKUP_FAILED = socket.EAI_FAIL


class OutsideNetwork(PermissionError):
    """What was tried leaves the network profile. It says what, and how to allow it."""


class UnknownName(OutsideNetwork, socket.gaierror):
    """A name was to be looked up that no machine within the profile has: to libraries, a lookup that failed."""


class _Guard:
    """One profile, what is refused by it, and the names that the hosts file gives to allowed addresses."""

    def __init__(self, profile: Profile, hosts: Path = _HOSTS) -> None:
        self.profile = profile
        self.refused: list[str] = []
        self._known = _names_within(profile, hosts)
        self.checks: dict[str, Callable[[Any], None]] = {
            "socket.__new__": self._made,
            "socket.connect": lambda given: self.reach(given[0], given[1], "connect to"),
            "socket.sendto": lambda given: self.reach(given[0], given[1], "send to"),
            "socket.sendmsg": lambda given: self.reach(given[0], given[1], "send to"),
            "socket.bind": lambda given: self.bind(given[0], given[1]),
            "socket.getaddrinfo": lambda given: self.name(given[0]),
            "socket.gethostbyname": lambda given: self.name(given[0]),
            "socket.gethostbyaddr": lambda given: self.name(given[0], reverse=True),
            "socket.getnameinfo": lambda given: self.name(given[0][0], reverse=True),
            _PROBE: lambda given: given[0].append(self),
        }

    def _made(self, given: Any) -> None:
        one, family = given[:2]
        if family not in _FAMILIES:
            raise self._refusal(f"open a socket of family {family}", None)
        if type(one) is _RAW and family not in (socket.AF_UNIX, socket.AF_NETLINK):
            raise self._refusal("open a socket that cannot be looked at first", None, "use socket.socket")

    def reach(self, one: socket.socket, address: Any, what: str) -> None:
        """Raises OutsideNetwork unless what the socket is to reach is within the profile."""
        if one.family not in _INTERNET or not isinstance(address, tuple) or not address:
            return  # what is no address at all, the call itself will say
        host = _text(address[0])
        if host not in _ANY:  # which is this machine
            self.name(host)
            numeric = read_address(host)
            if numeric is not None and not self.profile.allows_address(numeric):
                raise self._refusal(f"{what} {host} port {address[1]}", host)

    def bind(self, one: socket.socket, address: Any) -> None:
        """Raises OutsideNetwork for a local address that is not within the profile.

        All addresses at once are admitted for streams: vLLM, accelerate and torch look for a free port so, and let it
        go again. Nothing can be heard on them before `listen`, where they are refused. Datagrams could be heard.
        """
        self.reach(one, address, "bind to")
        if one.family in _INTERNET and one.type != socket.SOCK_STREAM and isinstance(address, tuple) and address:
            host = _text(address[0])
            numeric = read_address(host)
            if host == "" or (numeric is not None and numeric.is_unspecified):
                raise self._refusal(f"take datagrams on {host or '0.0.0.0'}", None, "bind to 127.0.0.1")

    def listen(self, one: socket.socket) -> None:
        """Raises OutsideNetwork if others than the profile's could connect."""
        if one.family not in _INTERNET:
            return
        host, port = one.getsockname()[:2]
        numeric = read_address(host)
        if numeric is None or numeric.is_unspecified or not self.profile.allows_address(numeric):
            raise self._refusal(f"listen on {host} port {port}", None, "bind to 127.0.0.1")

    def name(self, given: Any, *, reverse: bool = False) -> None:
        """Raises UnknownName for a name, or with `reverse` an address, that somebody else would be asked about."""
        host = _text(given)
        if host in _ANY or host.casefold() in self._known:
            return
        numeric = read_address(host)
        if numeric is None:
            if not self.profile.allows_name(host):
                raise self._refusal(f"look up {host}", host, kind=UnknownName)
        elif reverse and not self.profile.allows_address(numeric):
            raise self._refusal(f"look up {host}", host, kind=UnknownName)

    def _refusal(
        self, what: str, host: str | None, instead: str = "", *, kind: type[OutsideNetwork] = OutsideNetwork
    ) -> OutsideNetwork:
        if host is None:
            fix = instead
        elif self.profile.is_local:
            fix = f"if it is one of yours: --network 'cluster interface=NAME peers={host}' ({NETWORK})"
        else:
            fix = f"if it is one of yours, add it to the peers (--network, {NETWORK})"
        scope = "local, this machine only" if self.profile.is_local else str(self.profile)
        message = f"refused to {what}: the network is {scope}{'; ' if fix else ''}{fix}"
        if len(self.refused) < _MOST_KEPT:
            self.refused.append(message)
        return kind(_LOOKUP_FAILED if kind is UnknownName else errno.EPERM, message)


def install(profile: Profile) -> None:
    """Refuse from now on, for as long as this process lives, what is outside the profile. Twice is once.

    Raises RuntimeError (a bug) if this process has another profile: nobody can widen it.
    """
    there = _guard()
    if there is not None:
        if there.profile != profile:
            raise RuntimeError(f"this process is sealed as {there.profile}, and stays so; not as {profile}")
        return
    guard = _Guard(profile)
    checks = guard.checks.get

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        # every import, open and pickle in this process comes by here: no more than one lookup for those
        check = checks(event)
        if check is not None:
            check(arguments)

    sys.addaudithook(hook)
    _look_first(guard)
    _leave_mark(profile)


def active() -> Profile | None:
    """The profile that is enforced in this process, asked of the hook itself; None where there is none."""
    guard = _guard()
    return None if guard is None else guard.profile


def refusals() -> tuple[str, ...]:
    """What was refused in this process so far, be it that a library hid it; the first hundred."""
    guard = _guard()
    return () if guard is None else tuple(guard.refused)


def seen_in(pid: int) -> str | None:
    """From outside: which kind of profile (`local`, `cluster`) that process enforces; None where it does not.

    Raises OSError if the process is gone, or is somebody else's.
    """
    found = re.search(rf"/memfd:{_MARK}(\w+)", Path(f"/proc/{pid}/maps").read_text(errors="replace"))
    return found[1] if found else None


def _guard() -> _Guard | None:
    answer: list[_Guard] = []
    sys.audit(_PROBE, answer)
    return answer[0] if answer else None


def _look_first(guard: _Guard) -> None:
    """Have the methods of sockets look at what they are given before they do anything with it."""

    def wrap(name: str, check: Callable[..., None]) -> None:
        method = getattr(socket.socket, name)

        @functools.wraps(method)
        def checked(self: socket.socket, *arguments: Any) -> Any:
            check(self, *arguments)
            return method(self, *arguments)

        setattr(socket.socket, name, checked)

    def send(self: socket.socket, *arguments: Any) -> None:
        if len(arguments) > 1:
            guard.reach(self, arguments[-1], "send to")

    def send_message(self: socket.socket, *arguments: Any) -> None:
        if len(arguments) > 3:  # those before it may be tuples too, of what is sent
            guard.reach(self, arguments[3], "send to")

    wrap("connect", lambda self, address: guard.reach(self, address, "connect to"))
    wrap("connect_ex", lambda self, address: guard.reach(self, address, "connect to"))
    wrap("bind", guard.bind)
    wrap("sendto", send)
    wrap("sendmsg", send_message)
    wrap("listen", lambda self, *backlog: guard.listen(self))


def _leave_mark(profile: Profile) -> None:
    """A mapping with a name, which shows in /proc/PID/maps, and nowhere in a process that this one starts."""
    global _mark
    with suppress(OSError):  # a kernel without it, or a limit: the guard does not depend on it
        handle = os.memfd_create(_MARK + ("local" if profile.is_local else "cluster"))
        try:
            os.ftruncate(handle, 1)
            _mark = mmap.mmap(handle, 1, prot=mmap.PROT_READ)
        finally:
            os.close(handle)


_mark: mmap.mmap | None = None


def _names_within(profile: Profile, hosts: Path) -> frozenset[str]:
    """Names that the hosts file gives to addresses within the profile, and to no others: nobody is asked for them."""
    within: set[str] = set()
    outside: set[str] = set()
    with suppress(OSError):
        for line in hosts.read_text(encoding="utf-8", errors="replace").splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            with suppress(ValueError):
                allowed = profile.allows_address(ip_address(address.partition("%")[0]))
                (within if allowed else outside).update(name.casefold() for name in names)
    return frozenset(within - outside)


def _text(host: Any) -> str:
    """A host as socket calls take it: text, bytes or nothing."""
    if host is None:
        return ""
    return host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
