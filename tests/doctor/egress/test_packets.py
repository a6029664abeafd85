from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.doctor.egress.addresses import Place
from nerkd_local.doctor.egress.packets import Packet, read_frame, read_socket_address
from tests.doctor.egress.test_addresses import question

ETHERNET = bytes(6) + b"\x02\0\0\0\0\x01"


def ipv4(protocol: int, to: str, body: bytes, options: bytes = b"") -> bytes:
    header = bytes([0x45 + len(options) // 4]) + bytes(8) + bytes([protocol]) + bytes(2) + bytes(4)
    return ETHERNET + b"\x08\x00" + header + ip_address(to).packed + options + body


def ipv6(protocol: int, to: str, body: bytes, extension: bytes = b"") -> bytes:
    header = b"\x60" + bytes(5) + bytes([0 if extension else protocol, 64]) + bytes(16) + ip_address(to).packed
    return ETHERNET + b"\x86\xdd" + header + extension + body


def udp(port: int, data: bytes = b"") -> bytes:
    return struct.pack("!HHHH", 40000, port, 8 + len(data), 0) + data


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (ipv4(6, "203.0.113.9", struct.pack("!HH", 1, 443)), "TCP 203.0.113.9:443"),
        (ipv4(17, "203.0.113.9", udp(443), options=bytes(8)), "UDP 203.0.113.9:443"),
        (ipv4(17, "198.51.100.53", udp(53, question("a.example"))), "UDP 198.51.100.53:53 (DNS) asking for a.example"),
        (ipv6(17, "2001:db8::53", udp(53, question("a.example"))), "UDP [2001:db8::53]:53 (DNS) asking for a.example"),
        (ipv6(6, "2001:db8::9", struct.pack("!HH", 1, 443)), "TCP [2001:db8::9]:443"),
        (ipv6(58, "ff02::16", b"\x8f\0\0\0", extension=b"\x3a\0\x05\x02\0\0\x01\0"), "ICMPv6 ff02::16"),
        (ipv4(1, "203.0.113.9", b"\x08\0\0\0"), "ICMP 203.0.113.9"),
        (ipv4(132, "203.0.113.9", bytes(8)), "IP protocol 132 203.0.113.9"),
        (b"\xff" * 6 + bytes(6) + b"\x08\x06" + bytes(28), "a frame of type 0x0806 ff:ff:ff:ff:ff:ff"),
        (b"\x01", "a frame cut short"),
    ],
)
def test_what_a_frame_is(frame: bytes, text: str) -> None:
    assert str(read_frame(frame)) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_something(frame: bytes) -> None:
    assert isinstance(read_frame(frame), Packet)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_as_the_kernel_writes_it(address: object, port: int) -> None:
    packed = ip_address(str(address)).packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    assert read_socket_address("".join(f"{word:08X}" for word in words) + f":{port:04X}") == Place(str(address), port)


def test_addresses_of_real_listeners() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with open("/proc/net/tcp") as table:
            rows = [line.split()[1] for line in table if line.split()[3] == "0A"]
        assert Place("127.0.0.1", port) in map(read_socket_address, rows)
