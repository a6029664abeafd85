"""What a command tries to reach, from the system calls that it and all it starts make.

Calls are seen whether they come from Python or from native code, and whether they succeed or not. Not seen is what is
sent through io_uring; that a process has set one up is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.doctor.egress.addresses import Place, dns_name, is_listened_to_from_outside

_CALLS = "connect,sendto,sendmsg,sendmmsg,bind,listen,socket,execve,?io_uring_setup"
_STRING = 160  # bytes shown of what is sent: a question for a name is shorter

# Families of sockets that stay in this machine. Others, the rare and the unknown, are taken for a way out
_INSIDE = ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC", "AF_ALG")
_INTERNET = ("AF_INET", "AF_INET6")

_SPEAKERS = {
    "/run/nscd/": "the name service cache",
    "/run/systemd/resolve/": "systemd-resolved",
    "/run/dbus/": "the system bus",
    "/run/docker.sock": "Docker",
    "/run/avahi-daemon/": "Avahi",
}
"""Local sockets of services that go out on another's behalf."""


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One call, or one of the addresses of one, that was bound for elsewhere. `process` is the thread's own name."""

    process: str
    call: str
    place: Place
    name: str | None = None
    """The name asked for, where the call holds a question for one."""

    def __str__(self) -> str:
        asked = f" asking for {self.name}" if self.name else ""
        return f"{self.process}: {self.call} {self.place}{asked}"


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen. `commands` counts the programs started: none means that nothing was traced."""

    attempts: tuple[Attempt, ...]
    listeners: tuple[str, ...]
    """Sockets that listened where another machine could come in: `process: address`."""
    rings: tuple[str, ...]
    """Processes that have set up an io_uring, through which they can send unseen."""
    commands: int
    unread: tuple[str, ...]
    """Lines that are not understood. With any, the trace proves nothing."""

    def counted(self) -> list[tuple[Attempt, int]]:
        """Attempts with how often each was made, the most frequent first."""
        return Counter(self.attempts).most_common()


def strace_command(command: Iterable[str], output: Path) -> list[str]:
    """The command, traced into the file; it ends when the last process that it started has ended."""
    return [
        "strace",
        *("-f", "--seccomp-bpf", "-qq", "-yy", "-Y", "-a", "1", "-s", str(_STRING)),
        *("-e", f"trace={_CALLS}", "-e", "signal=none", "-e", "abbrev=execve"),
        *("-o", str(output), "--"),
        *command,
    ]


def read_trace(path: Path) -> Trace:
    """The trace that `strace_command` has left. Its lines hold bytes of what was sent: remove it after reading."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as stream:
        return parse_trace(stream)


def parse_trace(lines: Iterable[str]) -> Trace:
    """What the lines of strace tell."""
    attempts: list[Attempt] = []
    listeners: dict[str, None] = {}
    rings: dict[str, None] = {}
    unread: list[str] = []
    bound: dict[str, Place] = {}
    commands = 0
    for line in _joined(lines, unread):
        call = _Call.read(line)
        if call is None:
            unread.append(": ".join(line))
        elif call.name == "execve":
            commands += call.result == "0"
        elif call.name == "io_uring_setup":
            if not call.failed:
                rings[call.process] = None
        elif call.name in ("bind", "listen"):
            place = _listening(call, bound)
            if place is not None and is_listened_to_from_outside(place.host):
                listeners[f"{call.process}: {place}"] = None
        elif call.name in ("socket", "connect", "sendto", "sendmsg", "sendmmsg"):
            attempts.extend(_attempts(call))
        else:
            unread.append(": ".join(line))
    return Trace(tuple(attempts), tuple(listeners), tuple(rings), commands, tuple(unread))


# --- lines ------------------------------------------------------------------------------------------------------------

_LINE = re.compile(r"(\d+)(?:<((?:[^<>\\]|\\.)*)>)? +(.*)", re.DOTALL)
_UNFINISHED = re.compile(r"(.*?)\s*<unfinished \.\.\.>", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed> ?(.*)", re.DOTALL)


def _joined(lines: Iterable[str], unread: list[str]) -> Iterator[tuple[str, str]]:
    """Process and call, with those that were interrupted by another's put together. One without its end comes last."""
    begun: dict[str, tuple[str, str]] = {}
    for raw in lines:
        line = raw.rstrip("\n")
        found = _LINE.fullmatch(line)
        if found is None:
            unread.append(line)
            continue
        number, process, text = found[1], found[2] or f"process {found[1]}", found[3]
        if text.startswith(("+++ ", "--- ")):  # an end, a signal
            continue
        unfinished, resumed = _UNFINISHED.fullmatch(text), _RESUMED.fullmatch(text)
        if unfinished:
            if number in begun:
                yield begun.pop(number)
            begun[number] = (process, unfinished[1])
        elif resumed:
            if number not in begun:
                unread.append(line)
                continue
            process, start = begun.pop(number)
            yield process, start + resumed[2]
        else:
            yield process, text
    yield from begun.values()


_CALL = re.compile(r"(\w+)\((.*)", re.DOTALL)
_SOCKET = re.compile(r"-?\d+<([\w-]+):\[(.*?)\]>(?=,|$| )")


@dataclass(frozen=True, slots=True)
class _Call:
    """`socket` and `ends` are what strace knows of the call's socket: `TCP`, `127.0.0.1:1->127.0.0.1:2`."""

    process: str
    name: str
    socket: str
    ends: str
    rest: str
    result: str

    @classmethod
    def read(cls, line: tuple[str, str]) -> _Call | None:
        process, text = line
        whole, ended, result = text.rpartition(") = ")
        found = _CALL.fullmatch(whole if ended else text)
        if found is None:
            return None
        socket = _SOCKET.match(found[2])
        rest = found[2][socket.end() :] if socket else found[2]
        kind, ends = (socket[1], socket[2]) if socket else ("", "")
        return cls(process, found[1], kind, ends, rest, result.split(" ")[0] if ended else "")

    @property
    def failed(self) -> bool:
        return self.result.startswith("-")


# --- addresses --------------------------------------------------------------------------------------------------------

_LITERAL = r'"(?P<{}>(?:[^"\\]|\\.)*)"'
# What stands within quotes is passed over as a whole: a text that is sent may look like an address
_PIECE = re.compile(
    "|".join(
        [
            r"sa_family=(?P<family>\w+)",
            r"sin6?_port=htons\((?P<port>\d+)\)",
            r"inet_addr\(" + _LITERAL.format("v4"),
            r"inet_pton\(AF_INET6, " + _LITERAL.format("v6"),
            r"sun_path=@?" + _LITERAL.format("path"),
            _LITERAL.format("data"),
        ]
    ),
    re.DOTALL,
)
_DATA = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_END = re.compile(r"\[?(.*?)\]?:(\d+)")
_UNREADABLE = Place("an address that cannot be read")


def _attempts(call: _Call) -> Iterator[Attempt]:
    """The ways out that a call takes: its addresses, or where its socket is connected to."""
    if call.name == "socket":
        family, _, kind = call.rest.partition(", ")
        if family not in (*_INSIDE, *_INTERNET):
            yield Attempt(call.process, call.name, Place(family))
        elif family in _INTERNET and "SOCK_RAW" in kind.split(",")[0]:
            yield Attempt(call.process, call.name, Place(f"{family} raw"))
        return
    places, names = _read_pieces(call)
    if "sa_family=" not in _DATA.sub("", call.rest):
        places = _implied(call)
    for place in places:
        if place.is_outside():
            yield Attempt(call.process, call.name, place, " ".join(names) or None)


def _implied(call: _Call) -> list[Place]:
    """Where a call goes that names no address: along its socket's connection, or nobody knows where."""
    if call.name == "connect":
        return [_UNREADABLE]
    if call.socket.startswith(("TCP", "UDP")) and "->" in call.ends:
        return [_end(call.ends.rpartition("->")[2])]
    if call.socket in ("", "socket") and "NULL" not in call.rest:
        return [_UNREADABLE]
    return []


def _read_pieces(call: _Call) -> tuple[list[Place], list[str]]:
    """The internet addresses in a call and the services that speak for others, and the names it asks for."""
    places: list[Place] = []
    names: dict[str, None] = {}
    family, port = "", None
    for piece in _PIECE.finditer(call.rest):
        match piece.lastgroup:
            case "family":
                family, port = piece["family"], None
                if family not in (*_INSIDE, *_INTERNET):
                    places.append(Place(family))
            case "port":
                port = int(piece["port"])
            case "v4" | "v6":
                places.append(Place(piece[piece.lastgroup], port))
            case "path" if not call.failed:
                path = piece["path"].removeprefix("/var")
                places.extend(Place(service) for start, service in _SPEAKERS.items() if path.startswith(start))
            case "data":
                name = dns_name(_bytes(piece["data"]))
                if name:
                    names[name] = None
    return places, list(names)


def _listening(call: _Call, bound: dict[str, Place]) -> Place | None:
    """Where a call makes a socket reachable: TCP that listens, UDP that is given a port. Remembers what is bound."""
    if call.name == "bind":
        places, _ = _read_pieces(call)
        if call.failed or not places or call.socket.startswith("UNIX"):
            return None
        bound[call.ends] = places[0]
        return places[0] if call.socket.startswith("UDP") and places[0].port else None
    if call.failed or call.socket.startswith(("UNIX", "NETLINK")):
        return None
    if _END.fullmatch(call.ends):
        return _end(call.ends)
    # without the kernel's help strace knows a socket by its number alone; one that was never bound gets any port
    return bound.get(call.ends, Place("0.0.0.0", 0))


def _end(text: str) -> Place:
    found = _END.fullmatch(text)
    return Place(found[1], int(found[2])) if found else _UNREADABLE


_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}


def _bytes(literal: str) -> bytes:
    """What strace shows within quotes, as it was."""

    def plain(found: re.Match[bytes]) -> bytes:
        what = found[1]
        return bytes([int(what, 8) & 0xFF]) if what.isdigit() else _LETTERS.get(what, what)

    return _ESCAPE.sub(plain, literal.encode("utf-8", "replace"))
