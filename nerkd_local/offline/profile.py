"""Which machines a process may reach: `local`, this one alone, or a `cluster` of named peers over one interface.

As text, in NERKD_NETWORK or after `nerkd --network`:

    local
    cluster interface=ib0 peers=10.1.0.0/24,node7,node8=10.2.0.8

A peer is an address, a network, a name, or a name with its address. A bare name is looked up once, by the first process
that is sealed; those that it starts are told the address with it and ask nobody.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from nerkd_local.errors import InputError

NETWORK = "NERKD_NETWORK"
"""The environment variable that holds the profile."""

LOOPBACK = "lo"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORMS = f"say 'local', or 'cluster interface=NAME peers=ADDRESS[,ADDRESS...]' (--network, {NETWORK})"
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,14}")
_WIDEST = {4: 8, 6: 32}
"""Bits that a network of peers fixes at least: one that is wider is no list of one's own machines."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is within reach beside the loopback addresses; `str` of it is the text that makes the same one again."""

    interface: str = LOOPBACK
    networks: tuple[Network, ...] = ()
    """A single machine is a network of one address."""
    names: tuple[tuple[str, Address], ...] = ()
    """Peers by name (lower case), each address of each."""

    @property
    def is_local(self) -> bool:
        """Whether this machine alone is within reach."""
        return not self.networks and not self.names

    def __str__(self) -> str:
        if self.is_local:
            return "local"
        peers = [str(network).removesuffix(f"/{network.max_prefixlen}") for network in self.networks]
        return f"cluster interface={self.interface} peers={','.join([*peers, *(f'{n}={a}' for n, a in self.names)])}"

    def allows(self, host: str) -> bool:
        """Whether a host, by address or by name, is within reach. Names are not looked up."""
        address = read_address(host)
        return self.allows_name(host) if address is None else self.allows_address(address)

    def allows_address(self, address: Address) -> bool:
        """Whether that is a loopback address or a peer's."""
        return (
            address.is_loopback
            or any(address in network for network in self.networks)
            or any(address == known for _, known in self.names)
        )

    def allows_name(self, name: str) -> bool:
        """Whether that is `localhost` or a peer given by name."""
        name = name.casefold()
        return name == "localhost" or any(name == known for known, _ in self.names)


@lru_cache(maxsize=1024)
def read_address(host: str) -> Address | None:
    """An address as it counts for who is reached: an IPv4 one that is written as IPv6 is that IPv4 one, and the
    interface behind a % does not tell two machines apart. None for a name.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _look_up(name: str) -> Iterable[str]:
    return {str(row[4][0]) for row in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}


def _interfaces() -> Iterable[str]:
    return [name for _, name in socket.if_nameindex()]


def read_profile(
    text: str,
    *,
    look_up: Callable[[str], Iterable[str]] = _look_up,
    interfaces: Callable[[], Iterable[str]] = _interfaces,
) -> Profile:
    """The profile that a text stands for. Raises InputError for any other text, an interface that this machine lacks,
    and a peer's name that nobody knows.
    """
    kind, *fields = text.split()[:4] or [""]
    if kind not in ("local", "cluster") or len(text.split()) > 3:
        raise InputError(f"the network {text!r} is none; {_FORMS}")
    if kind == "local":
        if fields:
            raise InputError(f"the network {text!r}: local takes nothing else; {_FORMS}")
        return Profile()
    given = dict(field.partition("=")[::2] for field in fields)
    if given.keys() != {"interface", "peers"} or len(fields) != 2:
        raise InputError(f"the network {text!r}: a cluster has an interface and peers, once each; {_FORMS}")
    interface = given["interface"]
    here = sorted(interfaces())
    if not _INTERFACE.fullmatch(interface) or interface not in here:
        raise InputError(f"the network {text!r}: this machine has no interface {interface!r}, but {', '.join(here)}")
    networks: set[Network] = set()
    names: set[tuple[str, Address]] = set()
    for peer in given["peers"].split(","):
        try:
            name, equals, address = peer.casefold().partition("=")
            if equals:
                names.add((_name(name), ip_address(address)))
            elif ":" in peer or re.fullmatch(r"[0-9./]*", peer):
                networks.add(_network(peer))
            else:
                names |= {(name, _found(each)) for each in look_up(_name(name))}
        except (ValueError, OSError) as error:
            why = f"cannot be looked up ({error})" if isinstance(error, OSError) else str(error)
            raise InputError(f"the network {text!r}: the peer {peer!r} {why}") from None
    return Profile(
        interface,
        tuple(sorted(networks, key=lambda network: (network.version, network))),
        tuple(sorted(names, key=lambda pair: (pair[0], pair[1].version, pair[1]))),
    )


def _found(address: str) -> Address:
    return ip_address(address.partition("%")[0])


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > 253:
        raise ValueError("is neither an address nor a machine's name")
    return text


def _network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is no address") from None
    if "/" in text and str(network.network_address) != text.partition("/")[0]:
        raise ValueError(f"has bits beyond its prefix; {network} is the whole network")
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(f"is wider than /{_WIDEST[network.version]}; name your own machines")
    return network
