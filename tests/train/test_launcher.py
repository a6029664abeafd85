"""The launcher's own share: the store where ranks meet is heard on one address only."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest
import torch.distributed as dist

from nerkd_local.train.launcher import _bound

LISTENING = "0A"  # as the kernel's tables write it
LOOPBACK = {"127.0.0.1": "0100007F", "::1": "00000000000000000000000001000000"}


def listeners(port: int) -> set[str]:
    """The addresses on which this port is listened on, as the kernel writes them."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTENING and int(number, 16) == port:
                found.add(address)
    return found


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
    return port


@pytest.mark.parametrize("host", LOOPBACK)
def test_the_store_listens_where_ranks_are_told_to_find_it_and_nowhere_else(host: str) -> None:
    try:
        port = free_port(host)
    except OSError:
        assert host == "::1"  # a machine without IPv6
        return
    # as the two rendezvous of torch call it
    store = _bound(dist.TCPStore)(host, port, 1, True, timedelta(seconds=20), multi_tenant=True)
    assert listeners(port) == {LOOPBACK[host]}
    rank = _bound(dist.TCPStore)(host, port, is_master=False, multi_tenant=True, timeout=timedelta(seconds=20))
    store.set("asked", "heard")
    assert rank.get("asked") == b"heard"


def test_torch_alone_would_listen_on_every_interface() -> None:
    """Why the launcher takes a hand in it; where this fails, it need not any more."""
    port = free_port("127.0.0.1")
    store = dist.TCPStore("127.0.0.1", port, 1, True, timedelta(seconds=20), multi_tenant=True)
    assert listeners(port) == {"0" * 32}
    del store
