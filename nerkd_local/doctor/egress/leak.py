"""Planted leaks: what a proof has to catch before its "nothing" means anything.

Run as a file of its own, with nothing of this package imported and nothing sealed:

    python leak.py KIND

All addresses are from the ranges kept for documentation (RFC 5737, RFC 3849), where there is no machine.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

V4, V6 = "203.0.113.9", "2001:db8:ffff::9"
NAME = "planted-leak.nerkd.example"
PORT = 443
_PATIENCE_S = 1.0


def _tcp(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as opened:
        opened.settimeout(_PATIENCE_S)
        opened.connect((host, PORT))


def _udp(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.sendto(b"leak", (host, PORT))


def _probe() -> None:
    """What programs do to learn their own address: a socket is aimed, and nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect((V4, PORT))


def _message() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.sendmsg([b"leak"], [], 0, (V4, PORT))


def _native() -> None:
    """As a C library does it, past anything that watches Python."""
    _native_call("connect")


def _native_many() -> None:
    """Two datagrams with one call, as the C library's resolver sends its questions."""
    _native_call("sendmmsg")


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


def _native_call(name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    address = socket.AF_INET.to_bytes(2, sys.byteorder) + PORT.to_bytes(2, "big") + socket.inet_aton(V4) + bytes(8)
    handle = libc.socket(int(socket.AF_INET), int(socket.SOCK_DGRAM), 0)
    if name == "connect":
        result = libc.connect(handle, address, len(address))
        libc.send(handle, b"leak", 4, 0)
    else:
        vector = _Vector(b"leak", 4)
        messages = (_Message * 2)()
        for message in messages:
            message.header = _Header(address, len(address), ctypes.pointer(vector), 1, None, 0, 0)
        result = libc.sendmmsg(handle, messages, len(messages), 0)
    libc.close(handle)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _name() -> None:
    socket.getaddrinfo(NAME, PORT)


def _multicast() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.sendto(b"leak", ("224.0.0.251", 5353))


def _child() -> None:
    """Another program does it."""
    subprocess.run([sys.executable, "-I", "-S", __file__, "udp4"], check=True)


def _straggler() -> None:
    """A process that has cut itself loose does it, after the command has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.5)
            _udp(socket.AF_INET, V4)
        os._exit(0)


def _raw() -> None:
    """Past IP altogether: a frame for whatever interface there is beside loopback. Needs the right to."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
        outward = [name for _, name in socket.if_nameindex() if name != "lo"]
        opened.bind((outward[0], 0))
        opened.send(bytes([0xFF] * 6 + [2, 0, 0, 0, 0, 1]) + (0x88B5).to_bytes(2, "big") + b"leak".ljust(46, b"\0"))


def _listener() -> None:
    """Nothing is sent, but anybody may come in."""
    with socket.create_server(("", 0)):
        time.sleep(_PATIENCE_S)


def _inside() -> None:
    """No leak: it talks to itself, in all the ways that the parts of this toolkit do."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with suppress(OSError), socket.create_server((host, 0), family=family) as server:
            with socket.create_connection(server.getsockname()[:2]) as opened:
                opened.sendall(socket.gethostname().encode())
            _udp(family, host)
    socket.getaddrinfo("localhost", PORT)
    left, right = socket.socketpair()
    left.sendall(b"leak")
    right.close()
    left.close()


KINDS: dict[str, Callable[[], None]] = {
    "tcp4": lambda: _tcp(socket.AF_INET, V4),
    "tcp6": lambda: _tcp(socket.AF_INET6, V6),
    "udp4": lambda: _udp(socket.AF_INET, V4),
    "udp6": lambda: _udp(socket.AF_INET6, V6),
    "message": _message,
    "probe": _probe,
    "name": _name,
    "multicast": _multicast,
    "native": _native,
    "native_many": _native_many,
    "child": _child,
    "straggler": _straggler,
    "raw": _raw,
    "listener": _listener,
    "inside": _inside,
}
"""What leaks, by name."""

SILENT = ("probe", "listener")
"""Those that send no packet."""
HARMLESS = ("inside",)
"""Those that are none, and are not to be taken for one."""


def main() -> None:
    """Leak; that nobody answers is no failure."""
    try:
        KINDS[sys.argv[1]]()
    except OSError as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
