"""What a frame that was sent is, as far as it matters: where to, and whether a program or the kernel sent it."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from nerkd_local.doctor.egress.addresses import NAME_PORTS, Place, dns_name

_PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
_TCP, _UDP, _ICMPV6, _HOP_BY_HOP = 6, 17, 58, 0


@dataclass(frozen=True, slots=True, order=True)
class Packet:
    """Of TCP and UDP the place has a port, of a question for a name the `name` is told."""

    protocol: str
    place: Place
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.protocol} {self.place}" + (f" asking for {self.name}" if self.name else "")


def read_frame(frame: bytes) -> Packet:
    """The packet in an Ethernet frame, which may be cut short. What is none of IP is told by its type."""
    if len(frame) < 14:
        return Packet("a frame", Place("cut short"))
    kind, body = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == 0x0800 and len(body) >= 20:
        protocol, start = body[9], 4 * (body[0] & 15)
        return _read_transport(protocol, str(ipaddress.ip_address(body[16:20])), body[start:])
    if kind == 0x86DD and len(body) >= 40:
        protocol, start = body[6], 40
        if protocol == _HOP_BY_HOP and len(body) >= 48:
            protocol, start = body[40], 48 + 8 * body[41]
        return _read_transport(protocol, str(ipaddress.ip_address(body[24:40])), body[start:])
    return Packet(f"a frame of type {kind:#06x}", Place(frame[:6].hex(":")))


def _read_transport(protocol: int, host: str, body: bytes) -> Packet:
    called = _PROTOCOLS.get(protocol, f"IP protocol {protocol}")
    if protocol not in (_TCP, _UDP) or len(body) < 4:
        return Packet(called, Place(host))
    (port,) = struct.unpack_from("!H", body, 2)
    return Packet(called, Place(host, port), dns_name(body[8:]) if protocol == _UDP and port in NAME_PORTS else None)


def read_socket_address(text: str) -> Place:
    """An address as /proc/net/tcp and tcp6 write it: words of 32 bits in this machine's own order of bytes."""
    digits, port = text.split(":")
    words = struct.unpack(f"!{len(digits) // 8}I", bytes.fromhex(digits))
    return Place(str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))), int(port, 16))
