"""Which addresses are this machine's own, and which ports ask for names."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

NAME_PORTS = {53: "DNS", 853: "DNS over TLS", 5353: "mDNS", 5355: "LLMNR"}
"""Whoever sends there asks for a name. On loopback too: a resolver of this machine asks on."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a call or a packet is bound for. `host` is an address, or in words what is none (`AF_VSOCK`)."""

    host: str
    port: int | None = None

    def is_outside(self) -> bool:
        """Whether it is anywhere but on loopback, or asks for a name. What cannot be read is outside."""
        return self.port in NAME_PORTS or not is_loopback(self.host)

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        named = NAME_PORTS.get(self.port)
        return f"{host}:{self.port}" + (f" ({named})" if named else "")


def is_loopback(host: str) -> bool:
    """Whether what goes there stays on the loopback interface. So it does with 0.0.0.0 and ::, to connect to."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return address.is_loopback or address.is_unspecified


def is_listened_to_from_outside(host: str) -> bool:
    """Whether a listener bound to that address can be reached from another machine: not where it is loopback's."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_loopback


def dns_name(message: bytes) -> str | None:
    """The name that a DNS message asks for; None where it is none, or is cut short before the name ends."""
    if len(message) < 13 or int.from_bytes(message[4:6], "big") != 1:
        return None
    labels: list[str] = []
    position = 12
    while position < len(message):
        size = message[position]
        if size == 0:
            return ".".join(labels) or "."
        label = message[position + 1 : position + 1 + size]
        if size > 63 or len(label) < size or not label.isascii() or not label.decode("ascii").isprintable():
            return None
        labels.append(label.decode("ascii"))
        position += 1 + size
    return None
