"""A profile's text: what it stands for, what it may not say, and that it comes back as it was."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.offline.profile import Address, Network, Profile, read_address, read_profile

INTERFACES = ["eth0", "ib0", "lo"]
KNOWN = {"node7": ["10.1.0.7"], "node8": ["10.1.0.8", "fd00::8"], "node9": ["fe80::9%eth0"]}


def look_up(name: str) -> Iterable[str]:
    if name not in KNOWN:
        raise OSError("Name or service not known")
    return KNOWN[name]


def read(text: str) -> Profile:
    return read_profile(text, look_up=look_up, interfaces=lambda: INTERFACES)


def test_local_is_this_machine_alone() -> None:
    assert read("local") == read("  local ") == Profile()
    assert read("local").is_local
    assert str(read("local")) == "local"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("cluster interface=ib0 peers=10.1.0.0/24", "cluster interface=ib0 peers=10.1.0.0/24"),
        ("cluster peers=10.1.0.7 interface=ib0", "cluster interface=ib0 peers=10.1.0.7"),
        ("cluster  interface=lo  peers=fd00::1,10.1.0.7", "cluster interface=lo peers=10.1.0.7,fd00::1"),
        ("cluster interface=ib0 peers=10.1.0.9,10.1.0.7,10.1.0.9", "cluster interface=ib0 peers=10.1.0.7,10.1.0.9"),
        ("cluster interface=ib0 peers=node7", "cluster interface=ib0 peers=node7=10.1.0.7"),
        ("cluster interface=ib0 peers=NODE8", "cluster interface=ib0 peers=node8=10.1.0.8,node8=fd00::8"),
        ("cluster interface=ib0 peers=node9", "cluster interface=ib0 peers=node9=fe80::9"),
        ("cluster interface=ib0 peers=gpu.site=10.2.0.1", "cluster interface=ib0 peers=gpu.site=10.2.0.1"),
    ],
)
def test_a_cluster_is_written_with_the_addresses_of_its_names(text: str, written: str) -> None:
    profile = read(text)
    assert str(profile) == written
    assert not profile.is_local


def test_a_name_with_its_address_is_not_looked_up() -> None:
    def refuse(name: str) -> Iterable[str]:
        raise AssertionError(name)

    text = "cluster interface=ib0 peers=node7=10.9.9.9,10.1.0.0/24"
    profile = read_profile(text, look_up=refuse, interfaces=lambda: INTERFACES)
    assert profile.names == (("node7", ip_address("10.9.9.9")),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the network '' is none; say 'local', or 'cluster interface=NAME peers="),
        ("clster", "the network 'clster' is none"),
        ("LOCAL", "the network 'LOCAL' is none"),
        ("local peers=10.1.0.1", "local takes nothing else"),
        ("cluster", "a cluster has an interface and peers, once each"),
        ("cluster interface=ib0", "a cluster has an interface and peers, once each"),
        ("cluster interface=ib0 interface=ib0", "a cluster has an interface and peers, once each"),
        ("cluster interface=ib0 peer=10.1.0.1", "a cluster has an interface and peers, once each"),
        ("cluster interface=ib0 peers=10.1.0.1 more", "is none"),
        ("cluster interface=ib0 peers=10.1.0.1, 10.1.0.2", "is none"),
        ("cluster interface=ib1 peers=10.1.0.1", "this machine has no interface 'ib1', but eth0, ib0, lo"),
        ("cluster interface= peers=10.1.0.1", "this machine has no interface ''"),
        ("cluster interface=ib0 peers=", "the peer '' is no address"),
        ("cluster interface=ib0 peers=10.1.0.1,", "the peer '' is no address"),
        ("cluster interface=ib0 peers=10.1.0.300", "the peer '10.1.0.300' is no address"),
        ("cluster interface=ib0 peers=10.1", "the peer '10.1' is no address"),
        ("cluster interface=ib0 peers=10.1.0.5/24", "has bits beyond its prefix; 10.1.0.0/24 is the whole network"),
        ("cluster interface=ib0 peers=0.0.0.0/0", "is wider than /8; name your own machines"),
        ("cluster interface=ib0 peers=::/0", "is wider than /32; name your own machines"),
        ("cluster interface=ib0 peers=no_de-", "is neither an address nor a machine's name"),
        ("cluster interface=ib0 peers=http://node7", "the peer 'http://node7' is no address"),
        ("cluster interface=ib0 peers=node1", "the peer 'node1' cannot be looked up (Name or service not known)"),
        ("cluster interface=ib0 peers=node7=nowhere", "the peer 'node7=nowhere'"),
    ],
)
def test_any_other_text_is_refused_at_once(text: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    assert problem in refused.value.problem


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
networks = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(8, 32)).map(lambda pair: IPv4Network(pair, strict=False)),
    st.tuples(st.ip_addresses(v=6), st.integers(32, 128)).map(lambda pair: IPv6Network(pair, strict=False)),
)
names = st.tuples(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), addresses)


@given(st.sets(networks, max_size=4), st.sets(names, max_size=4), st.sampled_from(INTERFACES))
def test_what_is_written_is_read_back(peers: set[Network], named: set[tuple[str, Address]], interface: str) -> None:
    items = [*map(str, peers), *(f"{name}={address}" for name, address in named)]
    if not items:
        return
    profile = read(f"cluster interface={interface} peers={','.join(items)}")
    assert read(str(profile)) == profile
    assert set(profile.networks) == peers
    assert set(profile.names) == named


@given(st.sets(networks, min_size=1, max_size=3), addresses)
def test_within_reach_are_the_peers_and_this_machine_and_nothing_else(peers: set[Network], other: Address) -> None:
    profile = Profile("ib0", tuple(peers))
    seen = getattr(other, "ipv4_mapped", None) or other
    assert profile.allows(str(other)) == (seen.is_loopback or any(seen in network for network in peers))
    assert all(profile.allows(str(network[0])) or getattr(network[0], "ipv4_mapped", None) for network in peers)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost", "::ffff:127.0.0.1"])
def test_this_machine_is_always_within_reach(host: str) -> None:
    assert Profile().allows(host)
    assert read("cluster interface=ib0 peers=10.1.0.7").allows(host)


@pytest.mark.parametrize(
    "host",
    ["10.1.0.8", "8.8.8.8", "::ffff:8.8.8.8", "2001:db8::1", "127.0.0.1.example.org", "127.1", "node7", "0.0.0.0"],
)
def test_a_local_network_has_nothing_else(host: str) -> None:
    assert not Profile().allows(host)


def test_a_peer_is_within_reach_by_name_and_by_address() -> None:
    profile = read("cluster interface=ib0 peers=node7,10.2.0.0/16")
    assert profile.allows("node7")
    assert profile.allows("Node7")
    assert profile.allows("10.1.0.7")
    assert profile.allows("::ffff:10.2.3.4")
    assert not profile.allows("10.1.0.8")
    assert not profile.allows("node8")


def test_an_address_is_read_for_who_is_reached() -> None:
    assert read_address("::ffff:10.0.0.1") == IPv4Address("10.0.0.1")
    assert read_address("fe80::1%eth0") == IPv6Address("fe80::1")
    assert read_address("node7") is None
