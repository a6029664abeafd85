from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.doctor.egress.addresses import Place, dns_name, is_listened_to_from_outside, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback", "open_to_others"),
    [
        ("127.0.0.1", True, False),
        ("127.8.9.10", True, False),
        ("::1", True, False),
        ("::1%lo", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("0.0.0.0", True, True),  # to connect there is to connect here; to listen there is to listen everywhere
        ("::", True, True),
        ("::ffff:0.0.0.0", True, True),
        ("10.0.0.1", False, True),
        ("128.0.0.1", False, True),
        ("fe80::1%eth0", False, True),
        ("::ffff:192.0.2.1", False, True),
        ("255.255.255.255", False, True),
        ("224.0.0.251", False, True),
        ("AF_VSOCK", False, True),
        ("", False, True),
        ("localhost", False, True),  # a name is no address
    ],
)
def test_what_stays_on_loopback(host: str, loopback: bool, open_to_others: bool) -> None:
    assert (is_loopback(host), is_listened_to_from_outside(host)) == (loopback, open_to_others)


@given(st.ip_addresses().filter(lambda ip: not ip.is_loopback and not ip.is_unspecified))
def test_every_other_address_is_outside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert Place(str(address), 443).is_outside() == (not mapped or not (mapped.is_loopback or mapped.is_unspecified))


@pytest.mark.parametrize(("port", "outside"), [(53, True), (853, True), (5353, True), (80, False), (None, False)])
def test_a_question_for_a_name_is_outside_on_loopback_too(port: int | None, outside: bool) -> None:
    assert Place("127.0.0.53", port).is_outside() == outside


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("203.0.113.9", 443), "203.0.113.9:443"),
        (Place("2001:db8::9", 53), "[2001:db8::9]:53 (DNS)"),
        (Place("AF_VSOCK"), "AF_VSOCK"),
    ],
)
def test_a_place_in_words(place: Place, text: str) -> None:
    assert str(place) == text


def question(name: str, count: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x12\x34\x01\x00" + count.to_bytes(2, "big") + bytes(6) + labels + b"\0\0\x01\0\x01"


@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=63), min_size=1, max_size=4))
def test_the_name_in_a_question(labels: list[str]) -> None:
    name = ".".join(labels)
    message = question(name)
    assert dns_name(message) == name
    assert dns_name(message[: 12 + len(name)]) is None  # cut before the end of the name


@given(st.binary(max_size=300))
def test_any_bytes_are_a_name_or_none(message: bytes) -> None:
    name = dns_name(message)
    assert name is None or name.isprintable()


def test_two_questions_or_none_are_no_question() -> None:
    assert dns_name(question("a.example", 2)) is None
    assert dns_name(question("a.example", 0)) is None
