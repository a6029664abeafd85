"""What Python in a sealed process can reach: every call that leads out is refused before it happens, all else works.

A guard stays for as long as its process lives, so each profile is tried in a process of its own. The addresses are of
the ranges that documents may use, and the names of a domain that nobody has.
"""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from nerkd_local.offline import Profile, guard
from nerkd_local.offline.guard import OutsideNetwork, UnknownName, _Guard, _names_within
from nerkd_local.offline.profile import read_profile

TRIES = """
import _socket, ast, asyncio, os, socket, sys
from nerkd_local import offline
from nerkd_local.offline import guard
offline.seal()
tcp = lambda family=socket.AF_INET: socket.socket(family)
udp = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
pairs = lambda: [(socket.create_connection(s.getsockname()), s) for s in [socket.create_server(('127.0.0.1', 0))]]
for code in ast.literal_eval(sys.stdin.read()):
    before = len(guard.refusals())
    try:
        eval(code)
        ended = "done"
    except OSError as error:
        ended = f"{type(error).__name__}: {error.strerror}"
    print(repr((ended, guard.refusals()[before:])))
"""

LEAKS = {
    "tcp().connect(('192.0.2.1', 443))": "refused to connect to 192.0.2.1 port 443",
    "tcp().connect((b'192.0.2.1', 443))": "refused to connect to 192.0.2.1 port 443",
    "tcp().connect_ex(('192.0.2.1', 443))": "refused to connect to 192.0.2.1 port 443",
    "tcp(socket.AF_INET6).connect(('2001:db8::1', 443))": "refused to connect to 2001:db8::1 port 443",
    "tcp(socket.AF_INET6).connect(('::ffff:192.0.2.1', 443, 0, 0))": "refused to connect to ::ffff:192.0.2.1 port 443",
    "tcp().connect(('255.255.255.255', 9))": "refused to connect to 255.255.255.255 port 9",
    "tcp().connect(('nobody.invalid', 443))": "refused to look up nobody.invalid",
    "tcp().connect_ex(('nobody.invalid', 443))": "refused to look up nobody.invalid",
    "tcp().connect(('127.0.0.1.nobody.invalid', 443))": "refused to look up 127.0.0.1.nobody.invalid",
    "socket.create_connection(('192.0.2.1', 443))": "refused to connect to 192.0.2.1 port 443",
    "socket.create_connection(('nobody.invalid', 443))": "refused to look up nobody.invalid",
    "udp().connect(('8.8.8.8', 80))": "refused to connect to 8.8.8.8 port 80",  # how a program asks for its own address
    "udp().sendto(b'?', ('192.0.2.1', 53))": "refused to send to 192.0.2.1 port 53",
    "udp().sendto(b'?', 0, ('192.0.2.1', 53))": "refused to send to 192.0.2.1 port 53",
    "udp().sendto(b'?', ('nobody.invalid', 53))": "refused to look up nobody.invalid",
    "udp().sendto(b'?', ('<broadcast>', 53))": "refused to look up <broadcast>",
    "udp().sendto(b'?', ('224.0.0.251', 5353))": "refused to send to 224.0.0.251 port 5353",
    "udp().sendmsg([b'?'], [], 0, ('192.0.2.1', 53))": "refused to send to 192.0.2.1 port 53",
    "udp().sendmsg([b'?'], [], 0, ('nobody.invalid', 53))": "refused to look up nobody.invalid",
    "socket.getaddrinfo('nobody.invalid', 443)": "refused to look up nobody.invalid",
    "socket.getaddrinfo(b'nobody.invalid', 443)": "refused to look up nobody.invalid",
    "socket.gethostbyname('nobody.invalid')": "refused to look up nobody.invalid",
    "socket.gethostbyname_ex('nobody.invalid')": "refused to look up nobody.invalid",
    "socket.gethostbyaddr('192.0.2.1')": "refused to look up 192.0.2.1",
    "socket.getnameinfo(('192.0.2.1', 443), 0)": "refused to look up 192.0.2.1",
    "tcp().bind(('192.0.2.1', 0))": "refused to bind to 192.0.2.1 port 0",
    "socket.create_server(('', 0))": "refused to listen on 0.0.0.0 port ",
    "socket.create_server(('::', 0), family=socket.AF_INET6)": "refused to listen on :: port ",
    "tcp().listen()": "refused to listen on 0.0.0.0 port ",
    "udp().bind(('', 0))": "refused to take datagrams on 0.0.0.0: ",
    "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).bind(('::', 5353))": "refused to take datagrams on ::: ",
    "_socket.socket().connect(('nobody.invalid', 443))": "refused to open a socket that cannot be looked at first",
    "_socket.socket(socket.AF_INET6)": "refused to open a socket that cannot be looked at first",
    "[_socket.socket(fileno=s.fileno()) for s in [tcp()]]": "refused to open a socket that cannot be looked at first",
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)": "refused to open a socket of family 17",
    "socket.socket(socket.AF_VSOCK)": "refused to open a socket of family 40",
    "asyncio.run(asyncio.open_connection('192.0.2.1', 443))": "refused to connect to 192.0.2.1 port 443",
    "asyncio.run(asyncio.open_connection('nobody.invalid', 443))": "refused to look up nobody.invalid",
    "asyncio.run(asyncio.start_server(print, '0.0.0.0', 0))": "refused to listen on 0.0.0.0 port ",
}
"""Each call that leads out, with how its refusal begins."""

HARMLESS = [
    "socket.create_server(('127.0.0.1', 0))",
    "socket.create_server(('localhost', 0))",
    "tcp().bind(('', 0))",  # how vLLM and accelerate look for a free port
    "[socket.create_connection(s.getsockname()) for s in [socket.create_server(('127.0.0.1', 0))]]",
    "[tcp().connect(('localhost', s.getsockname()[1])) for s in [socket.create_server(('127.0.0.1', 0))]]",
    "[tcp().connect(('', s.getsockname()[1])) for s in [socket.create_server(('127.0.0.1', 0))]]",
    "[udp().sendto(b'?', s.getsockname()) for s in [udp()] if not s.bind(('127.0.0.1', 0))]",
    "[a.sendmsg([b'?']) for a, b in [socket.socketpair()]]",
    "[a.sendmsg((b'GET', b'?')) for a, _ in pairs()]",
    "[a.sendmsg((b'GET', b'?'), ()) for a, _ in pairs()]",
    "[socket.socket(fileno=os.dup(s.fileno())) for s in [tcp()]]",
    "_socket.socketpair()",
    "[a.sendall(b'?') for a, b in [socket.socketpair()]]",
    "socket.socket(socket.AF_UNIX).bind('\\0nerkd-' + str(os.getpid()))",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 0))",
    "socket.getaddrinfo('localhost', 80)",
    "socket.getaddrinfo(None, 80)",
    "socket.getaddrinfo('192.0.2.1', 80)",  # no question to anybody; a connection would be one
    "socket.gethostname()",
    "asyncio.run(asyncio.start_server(print, '127.0.0.1', 0))",
]


def tried(codes: list[str], network: str = "local") -> list[tuple[str, tuple[str, ...]]]:
    """How each ended in a process sealed so, and what was refused on its way."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRIES],
        input=repr(codes),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NERKD_NETWORK": network},
    )
    assert done.returncode == 0, done.stderr
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def leaks() -> dict[str, tuple[str, tuple[str, ...]]]:
    return dict(zip(LEAKS, tried(list(LEAKS)), strict=True))


@pytest.mark.parametrize("code", LEAKS)
def test_what_leads_out_is_refused_and_says_how_to_allow_it(
    leaks: dict[str, tuple[str, tuple[str, ...]]], code: str
) -> None:
    ended, refused = leaks[code]
    kind = "UnknownName" if "look up" in LEAKS[code] else "OutsideNetwork"
    assert ended.startswith(f"{kind}: {LEAKS[code]}")
    assert "the network is local, this machine only; " in ended or "family" in ended
    assert refused[0].startswith(LEAKS[code])  # a library that hides the error does not hide the attempt


def test_what_stays_on_this_machine_works() -> None:
    assert dict(zip(HARMLESS, tried(HARMLESS), strict=True)) == dict.fromkeys(HARMLESS, ("done", ()))


def test_what_a_library_hides_is_kept() -> None:
    ((ended, refused),) = tried(["socket.getfqdn('192.0.2.1')"])  # takes a failed lookup for an answer
    assert ended == "done"
    assert [each.partition(":")[0] for each in refused] == ["refused to look up 192.0.2.1"]


def test_a_peer_is_reached_and_its_neighbour_is_not() -> None:
    # 127.x is no peer's address; the neighbour shows that the network is not wider than it says
    network = "cluster interface=lo peers=192.0.2.8/29,node7=198.51.100.7"
    # a connection to nowhere must not be waited for
    start = "[s.setblocking(False) or s.connect_ex(({!r}, 9)) for s in [tcp()]]"
    codes = [start.format(host) for host in ("192.0.2.9", "198.51.100.7", "192.0.2.16", "198.51.100.8")]
    codes += ["socket.getaddrinfo('node8', 9)", "socket.create_server(('', 0))"]
    ended = [each for each, _ in tried(codes, network)]
    assert ended[:2] == ["done", "done"]
    scope = f"the network is {read_profile(network, interfaces=lambda: ['lo'])}"
    add = f"{scope}; if it is one of yours, add it to the peers (--network, NERKD_NETWORK)"
    assert ended[2] == f"OutsideNetwork: refused to connect to 192.0.2.16 port 9: {add}"
    assert ended[3] == f"OutsideNetwork: refused to connect to 198.51.100.8 port 9: {add}"
    assert ended[4] == f"UnknownName: refused to look up node8: {add}"
    assert ended[5].startswith("OutsideNetwork: refused to listen on 0.0.0.0 port ")


def test_a_refusal_is_to_libraries_what_they_know() -> None:
    local = _Guard(Profile())
    with pytest.raises(socket.gaierror) as unknown:  # they go on without a name that nobody has
        local.name("nobody.invalid")
    assert isinstance(unknown.value, UnknownName | PermissionError)
    assert unknown.value.errno == socket.EAI_FAIL
    with socket.socket() as one, pytest.raises(PermissionError) as refused:
        local.reach(one, ("192.0.2.1", 443), "connect to")
    assert isinstance(refused.value, OutsideNetwork)
    assert not isinstance(refused.value, socket.gaierror)
    assert refused.value.errno == 1


def test_names_that_the_hosts_file_gives_to_this_machine_are_nobody_elses_business(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "127.0.0.1 localhost Here # 127.0.0.1 commented\n\n::1 ip6-localhost\n"
        "192.0.2.1 there both\n127.0.1.1 both\nbad line\n"
    )
    assert _names_within(Profile(), hosts) == {"localhost", "here", "ip6-localhost"}
    cluster = Profile("ib0", names=(("x", ip_address("192.0.2.1")),))
    assert _names_within(cluster, hosts) == {"localhost", "here", "ip6-localhost", "there", "both"}
    assert _names_within(Profile(), tmp_path / "absent") == set()


def test_what_is_no_address_is_left_to_the_call_itself() -> None:
    with socket.socket() as one:
        for address in ("192.0.2.1", ["192.0.2.1", 1], (), None):
            with pytest.raises((TypeError, OSError)) as said:
                one.connect(address)
            assert not isinstance(said.value, OutsideNetwork)


def test_a_process_that_is_started_is_guarded_once_it_is_sealed_and_not_before() -> None:
    show = "import os; from nerkd_local.offline import guard; print(guard.active(), guard.seen_in(os.getpid()))\n"
    seal = "from nerkd_local import offline; offline.seal()\n"
    fork = "child = os.fork()\nif child: os.waitpid(child, 0)\n"
    done = subprocess.run(
        [sys.executable, "-u", "-c", f"{show}{seal}{show}{fork}{show}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["None None", *["local local"] * 3]
    assert guard.active() == Profile()  # this process, by conftest.py
    assert guard.seen_in(os.getpid()) == "local"


def test_a_refusal_on_the_way_out_is_one_line_and_the_exit_code_of_bad_input() -> None:
    code = (
        "import socket, click; from nerkd_local.cli import main, convert\n"
        "convert.command = click.command('convert')(lambda: socket.create_connection(('192.0.2.1', 443)))\n"
        "main.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "convert"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("nerkd: refused to connect to 192.0.2.1 port 443: the network is local, ")
    assert done.stderr.count("\n") == 1


def test_it_says_what_it_does_not_see() -> None:
    for blind_spot in ("gloo", "NCCL", "TCPStore", "ZeroMQ", "not Python", "interpreter", "Unix socket"):
        assert blind_spot in guard.BLIND
