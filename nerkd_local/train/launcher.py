"""`accelerate launch`, sealed: `python -m nerkd_local.train.launcher`, with accelerate's own arguments.

The launcher is a process like any other: torch's part of it looks up this machine's name, and opens the store where
ranks meet on every interface of the machine.
"""

from __future__ import annotations

import socket
from typing import Any

from nerkd_local import offline


def main() -> None:
    """What the command `accelerate` does for `launch`, within the network profile."""
    offline.seal()
    listen_where_ranks_meet()
    from accelerate.commands.launch import main as launch

    launch()


def listen_where_ranks_meet() -> None:
    """Have the store listen on the address by which ranks are told to find it, and on no other."""
    from torch.distributed.elastic.rendezvous import c10d_rendezvous_backend, static_tcp_rendezvous

    modules: list[Any] = [static_tcp_rendezvous, c10d_rendezvous_backend]
    for module in modules:
        module.TCPStore = _bound(module.TCPStore)


def _bound(store: Any) -> Any:
    def open_store(
        host: str, port: int, world_size: int | None = None, is_master: bool = False, *rest: Any, **more: Any
    ) -> Any:
        if is_master:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listening = socket.create_server(address[:2], family=family, backlog=2048)
            port = listening.getsockname()[1]
            more["master_listen_fd"] = listening.detach()
        return store(host, port, world_size, is_master, *rest, **more)

    return open_store


if __name__ == "__main__":
    main()
