"""What runs within the black hole: builds it, runs a command in it, counts what it sends.

Started by `black_hole`, as a file of its own, in namespaces of the network and of mounts that are its own; standard
library only. The one way out is an interface whose other end swallows everything. Neighbours are known beforehand, so
that a packet leaves at once and not after a question for its next hop that nobody answers.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

IN, OUT = "hole", "bottom"
"""The ends of the pair: what is sent into the one comes out of the other, where nobody is."""
OWN = ("198.51.100.2", "2001:db8::2")
GATEWAYS = ("198.51.100.1", "2001:db8::1")
RESOLVERS = ("198.51.100.53", "2001:db8::53")
_NOWHERE = "02:00:00:00:00:01"

# Services of this machine that go out on another's behalf are asked through sockets in here, past the namespace
_SPEAKERS = ("/run/nscd", "/run/systemd/resolve", "/run/dbus", "/run/avahi-daemon")
_RESOLV_CONF = Path("/etc/resolv.conf")

_FRAMES, _FRAME_BYTES = 500, 256
_LOOK_EVERY_S = 0.05
_LISTENERS_EVERY_S = 0.5
_SETTLED_S = 0.5
_SETTLING_S = 10.0
_LINGER_S = 5.0
_SENT = 9  # the column of /proc/net/dev
_LISTENS = "0A"  # the state in /proc/net/tcp
_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class _Trouble(Exception):
    """The hole cannot be built here."""


def main() -> None:
    """`inside.py REPORT TIMEOUT_S COMMAND...`: the report is written as JSON, whatever the command does.

    What the command prints goes to standard output, what is wrong here to standard error.
    """
    report, timeout_s, command = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what cuts itself loose is still waited for
    try:
        found = _run(command, timeout_s, report.with_name("resolv.conf"))
    except _Trouble as trouble:
        found = {"trouble": str(trouble)}
    report.write_text(json.dumps(found))


def _run(command: list[str], timeout_s: float, resolv_conf: Path) -> dict[str, Any]:
    ipv6 = _build()
    names = _take_resolver(resolv_conf, ipv6)
    camera = _Camera()
    before = _settled_count()
    listeners = _Listeners()
    left: list[str] = []
    began = time.monotonic()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    except OSError as error:
        raise _Trouble(f"{command[0]}: {error.strerror}") from None
    try:
        while (code := process.poll()) is None and time.monotonic() - began < timeout_s:
            listeners.look()
            _reap(but=process.pid)
            time.sleep(_LOOK_EVERY_S)
        seconds = time.monotonic() - began
        if code is not None:
            left = _linger(listeners)
    finally:
        _end_all()
    time.sleep(_LOOK_EVERY_S)
    return {
        "code": code,
        "seconds": seconds,
        "packets": _count() - before,
        "frames": camera.frames,
        "camera": camera.works,
        "listeners": list(listeners.found),
        "left": left,
        "ipv6": ipv6,
        "names": names,
    }


# --- building ---------------------------------------------------------------------------------------------------------


def _build() -> bool:
    """Lay the pair and the ways into it; returns whether there is IPv6 here."""
    ipv6 = Path("/proc/net/if_inet6").exists()
    _ip("link", "set", "lo", "up")
    _ip("link", "add", IN, "type", "veth", "peer", "name", OUT)
    for name in (IN, OUT) if ipv6 else ():
        # the kernel itself is to send nothing: no address of its own making, no search for routers or for twins
        for switch, value in {"addr_gen_mode": 1, "accept_ra": 0, "router_solicitations": 0, "accept_dad": 0}.items():
            _write(Path(f"/proc/sys/net/ipv6/conf/{name}/{switch}"), str(value))
    for name in (IN, OUT):
        _ip("link", "set", name, "arp", "off", "multicast", "off", "up")
    for version, own, gateway, size in (("-4", OWN[0], GATEWAYS[0], 24), ("-6", OWN[1], GATEWAYS[1], 64)):
        if version == "-4" or ipv6:
            _ip(version, "address", "add", f"{own}/{size}", "dev", IN, *(["nodad"] if version == "-6" else []))
            _ip(version, "neighbour", "replace", gateway, "lladdr", _NOWHERE, "dev", IN)
            _ip(version, "route", "add", "default", "via", gateway, "dev", IN)
    if ipv6:
        _ip("-6", "route", "replace", "multicast", "ff00::/8", "dev", IN, "table", "local")
    return ipv6


def _take_resolver(own_copy: Path, ipv6: bool) -> bool:
    """Send questions for names into the hole; returns whether that was possible."""
    for folder in map(Path, _SPEAKERS):
        if folder.is_dir():
            _call("mount", "-t", "tmpfs", "tmpfs", str(folder))
    target = Path(os.path.realpath(_RESOLV_CONF))
    if not target.exists() and target.parent.as_posix() in _SPEAKERS:
        target.touch()
    if not target.is_file():
        return False
    questions_to = RESOLVERS if ipv6 else RESOLVERS[:1]
    _write(own_copy, "".join(f"nameserver {address}\n" for address in questions_to))
    _call("mount", "--bind", str(own_copy), str(target))
    return True


def _ip(*arguments: str) -> None:
    _call("ip", *arguments)


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise _Trouble(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise _Trouble(f"{' '.join(command)}: {' '.join(done.stderr.split())}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise _Trouble(f"{path}: {error.strerror}") from None


# --- watching ---------------------------------------------------------------------------------------------------------


def _count() -> int:
    """Packets sent so far, at either end."""
    rows = (line.partition(":") for line in Path("/proc/net/dev").read_text().splitlines())
    return sum(int(numbers.split()[_SENT]) for name, _, numbers in rows if name.strip() in (IN, OUT))


def _settled_count() -> int:
    """The count once the kernel is done with what it sends by itself when an interface comes up."""
    began = since = time.monotonic()
    count = _count()
    while time.monotonic() - since < _SETTLED_S:
        time.sleep(_LOOK_EVERY_S)
        if (now := _count()) != count:
            count, since = now, time.monotonic()
        if time.monotonic() - began > _SETTLING_S:
            raise _Trouble("the kernel goes on sending by itself")
    return count


class _Camera(threading.Thread):
    """Keeps the first frames that are sent, to say of what kind they were; it is the count that counts."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.frames: list[str] = []
        try:
            self._sockets = [_open_camera(name) for name in (IN, OUT)]
        except OSError:  # a kernel without packet sockets
            self._sockets = []
        self.works = bool(self._sockets)
        self.start()

    def run(self) -> None:
        while self._sockets and len(self.frames) < _FRAMES:
            for ready in select.select(self._sockets, [], [])[0]:
                frame, (_, _, kind, *_) = ready.recvfrom(_FRAME_BYTES)
                if kind == _PACKET_OUTGOING:
                    self.frames.append(frame.hex())


def _open_camera(name: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    opened.bind((name, _ETH_P_ALL))
    return opened


class _Listeners:
    """Addresses, as the kernel writes them, at which TCP was listened on when it was looked.

    Twice a second: the kernel goes through all of a large table for each look, which takes it 10 ms. Twenty looks a
    second made a run of vLLM on two cores half as long again.
    """

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self._next = 0.0

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LISTENERS_EVERY_S
        for table in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")):
            if table.exists():
                rows = (line.split() for line in table.read_text().splitlines()[1:])
                self.found.update((row[1], None) for row in rows if row[3] == _LISTENS)


# --- ending -----------------------------------------------------------------------------------------------------------


def _linger(listeners: _Listeners) -> list[str]:
    """Wait some seconds for what the command has left running; the names of what still runs then."""
    began = time.monotonic()
    while (running := _others()) and time.monotonic() - began < _LINGER_S:
        listeners.look()
        _reap()
        time.sleep(_LOOK_EVERY_S)
    return sorted(set(running.values()))


def _others() -> dict[int, str]:
    """Living processes in this network namespace beside this one."""
    mine = os.readlink("/proc/self/ns/net")
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if os.readlink(folder / "ns/net") == mine:
                    status = (folder / "stat").read_text(errors="replace")
                    if status.rpartition(")")[2].split()[0] not in "ZX":
                        found[int(folder.name)] = status.partition("(")[2].rpartition(")")[0]
    return found


def _reap(but: int = 0) -> None:
    """Collect the processes that ended without their parents, as init does outside: who waits for them to be gone
    would wait for ever. Not `but`, whose exit code is wanted.
    """
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == but:
                return
            os.waitpid(ended.si_pid, 0)


def _end_all() -> None:
    """Kill what is left in the namespace, however often it starts itself again."""
    while running := _others():
        for number in running:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        _reap()
        time.sleep(_LOOK_EVERY_S)
    _reap()


if __name__ == "__main__":
    main()
