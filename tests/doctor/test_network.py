from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from nerkd_local.doctor import network
from nerkd_local.doctor.finding import Finding
from nerkd_local.offline.profile import Profile


def test_the_switches() -> None:
    assert network.switches().status == "ok"
    assert network.switches(False).status == "fail"


@pytest.mark.parametrize(
    ("active", "status", "seen"),
    [
        (None, "fail", "no guard"),
        (Profile(), "ok", "local: this machine alone"),
        (Profile("ib0", (ip_network("10.1.0.0/24"),)), "ok", "cluster interface=ib0 peers=10.1.0.0/24"),
    ],
)
def test_the_profile_that_is_enforced(active: Profile | None, status: str, seen: str) -> None:
    found = network.profile(active)
    assert found.status == status
    assert found.seen.startswith(seen)


def test_what_the_guard_cannot_see_is_never_called_well() -> None:
    assert network.blind_spots().status == "unknown"
    assert "native code" in network.blind_spots().seen


def test_a_machine_reaches_itself() -> None:
    assert network.loopback().status == "ok"


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.EADDRNOTAVAIL, "ip link set lo up"), (errno.ENETUNREACH, "ip link set lo up"), (errno.ECONNREFUSED, "nft")],
)
def test_a_loopback_that_is_down_or_filtered(number: int, fix: str) -> None:
    def listen() -> int:
        raise OSError(number, "no")

    found = network.loopback(listen)
    assert found.status == "fail"
    assert fix in str(found.fix)


@pytest.mark.parametrize(
    ("check", "status"),
    [
        (lambda: network.free_ports("32768\t60999\n"), "ok"),
        (lambda: network.free_ports("60000 60010"), "warn"),
        (lambda: network.free_ports(""), "unknown"),
        (lambda: network.proxies({}), "ok"),
        (lambda: network.proxies({"HTTPS_PROXY": "http://proxy:3128"}), "warn"),
        (lambda: network.proxies({"http_proxy": ""}), "ok"),
    ],
)
def test_ports_and_proxies(check: Callable[[], Finding], status: str) -> None:
    assert check().status == status
