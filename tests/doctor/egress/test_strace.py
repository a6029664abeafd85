from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.doctor.egress.strace import Trace, parse_trace

OUT = '{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("203.0.113.9")}'
OUT6 = (
    "{sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
    'inet_pton(AF_INET6, "2001:db8::9", &sin6_addr), sin6_scope_id=0}'
)
HERE = '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}'
HERE6 = (
    "{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
    'inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6_addr), sin6_scope_id=0}'
)
STUB = '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}'
QUESTION = r'"\3730\1\0\0\1\0\0\0\0\0\0\fplanted-leak\5nerkd\7example\0\0\1\0\1"'
ASKED = f"[{{msg_hdr={{msg_name=NULL, msg_namelen=0, msg_iov=[{{iov_base={QUESTION}, iov_len=44}}], msg_iovlen=1}}}}]"


def trace(*calls: str, process: str = "7<python>") -> Trace:
    return parse_trace(f"{process} {call}\n" for call in calls)


def attempts(*calls: str) -> list[str]:
    found = trace(*calls)
    assert not found.unread
    return [f"{attempt.call} {attempt.place}" for attempt in found.attempts]


@pytest.mark.parametrize(
    ("call", "places"),
    [
        # what goes out, whether it works or not
        (f"connect(3<TCP:[1]>, {OUT}, 16) = 0", ["connect 203.0.113.9:443"]),
        (f"connect(3<TCP:[1]>, {OUT}, 16) = -1 EINPROGRESS (Operation now in progress)", ["connect 203.0.113.9:443"]),
        (f"connect(3<TCPv6:[1]>, {OUT6}, 28) = -1 ENETUNREACH (Network is unreachable)", ["connect [2001:db8::9]:443"]),
        (f'sendto(3<UDP:[1]>, "x", 1, 0, {OUT}, 16) = 1', ["sendto 203.0.113.9:443"]),
        (f"sendmsg(3<UDP:[1]>, {{msg_name={OUT}, msg_namelen=16, msg_iov=[]}}, 0) = 4", ["sendmsg 203.0.113.9:443"]),
        (f"connect(3, {OUT}, 16) = 0", ["connect 203.0.113.9:443"]),
        (
            f"sendmmsg(3<UDP:[1]>, [{{msg_hdr={{msg_name={OUT}}}}}, {{msg_hdr={{msg_name={OUT6}}}}}], 2, 0) = 2",
            ["sendmmsg 203.0.113.9:443", "sendmmsg [2001:db8::9]:443"],
        ),
        # along a connection that was made elsewhere, or by whoever came in
        ('sendto(5<TCP:[192.0.2.2:80->192.0.2.7:4000]>, "x", 1, 0, NULL, 0) = 1', ["sendto 192.0.2.7:4000"]),
        (
            'sendto(5<TCPv6:[[2001:db8::2]:80->[2001:db8::7]:4000]>, "x", 1, 0, NULL, 0) = 1',
            ["sendto [2001:db8::7]:4000"],
        ),
        # names, from a resolver of this machine too
        (f"connect(3<UDP:[1]>, {STUB}, 16) = 0", ["connect 127.0.0.53:53 (DNS)"]),
        (f"sendmmsg(3<UDP:[127.0.0.1:9->127.0.0.53:53]>, {ASKED}, 1, 0) = 1", ["sendmmsg 127.0.0.53:53 (DNS)"]),
        # past the internet protocols
        ("socket(AF_PACKET, SOCK_RAW|SOCK_CLOEXEC, htons(ETH_P_ALL)) = 3<PACKET:[1]>", ["socket AF_PACKET"]),
        ("socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) = -1 EPERM (Operation not permitted)", ["socket AF_INET raw"]),
        ("socket(AF_VSOCK, SOCK_STREAM, 0) = 3<socket:[1]>", ["socket AF_VSOCK"]),
        ("connect(3<socket:[1]>, {sa_family=AF_VSOCK, svm_cid=2, svm_port=1}, 16) = 0", ["connect AF_VSOCK"]),
        ('connect(3<socket:[1]>, {sa_family=0x2d /* AF_??? */, sa_data="abc"}, 16) = 0', ["connect 0x2d"]),
        # what cannot be read is not taken for harmless
        ("connect(3<TCP:[1]>, 0x7ffd, 16) = -1 EFAULT (Bad address)", ["connect an address that cannot be read"]),
        ('sendto(3, "x", 1, 0, 0x7ffd, 16) = -1 EFAULT (Bad address)', ["sendto an address that cannot be read"]),
        # services that go out on another's behalf
        (
            'connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = 0',
            ["connect the name service cache"],
        ),
        # what stays
        (f"connect(3<TCP:[1]>, {HERE}, 16) = 0", []),
        (f"connect(3<TCPv6:[1]>, {HERE6}, 28) = 0", []),
        ('connect(3<UDP:[1]>, {sa_family=AF_UNSPEC, sa_data="\\0\\0"}, 16) = 0', []),
        ('connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/tmp/203.0.113.9"}, 110) = 0', []),
        ('connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path=@"abstract"}, 110) = 0', []),
        (
            'connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110) = -1 ENOENT (No)',
            [],
        ),
        ('sendto(4<TCP:[127.0.0.1:4->127.0.0.1:5]>, "x", 1, 0, NULL, 0) = 1', []),
        ('sendto(4<TCPv6:[[::ffff:127.0.0.1]:4->[::ffff:127.0.0.1]:5]>, "x", 1, 0, NULL, 0) = 1', []),
        ('sendto(4<UNIX-STREAM:[1->2,"/tmp/x"]>, "x", 1, 0, NULL, 0) = 1', []),
        ('sendto(3, "x", 1, 0, NULL, 0) = 1', []),
        ("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3<TCP:[1]>", []),
        ("socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 4<NETLINK:[1]>", []),
        (
            "sendto(4<NETLINK:[ROUTE:7]>, [{nlmsg_len=20, nlmsg_type=RTM_GETLINK}], 20, 0, "
            "{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20",
            [],
        ),
    ],
)
def test_what_a_call_is_bound_for(call: str, places: list[str]) -> None:
    assert attempts(call) == places


@pytest.mark.parametrize(
    "text",
    [
        r"sa_family=AF_INET, sin_port=htons(1), inet_addr(\"9.9.9.9\") <unfinished ...>",
        r"<... connect resumed>) = 0\n12 x",
        r"\\\"".replace('"', '"'),
        r") = -1",
    ],
)
def test_a_text_that_is_sent_is_not_taken_for_an_address(text: str) -> None:
    assert attempts(f'sendto(3<UDP:[1]>, "{text}", 80, 0, {HERE}, 16) = 80') == []
    assert attempts(f'sendto(3<UDP:[1]>, "{text}", 80, 0, {OUT}, 16) = 80') == ["sendto 203.0.113.9:443"]


def test_a_call_that_another_thread_interrupts_is_put_together() -> None:
    lines = [
        f"7<python> connect(3<TCP:[1]>, {OUT}, 16 <unfinished ...>",
        "8<other> sendmmsg(4<UDP:[2]>,  <unfinished ...>",
        "7<renamed> <... connect resumed>) = -1 EINPROGRESS (Operation now in progress)",
        f"8<other> <... sendmmsg resumed>[{{msg_hdr={{msg_name={OUT6}}}}}], 1, 0) = 1",
    ]
    found = parse_trace(lines)
    assert [str(attempt) for attempt in found.attempts] == [
        "python: connect 203.0.113.9:443",
        "other: sendmmsg [2001:db8::9]:443",
    ]
    assert not found.unread


def test_a_call_in_which_the_process_was_killed_counts() -> None:
    found = parse_trace(
        [f"7<python> connect(3<TCP:[1]>, {OUT}, 16 <unfinished ...>", "7<python> +++ killed by SIGKILL +++"]
    )
    assert len(found.attempts) == 1


def test_what_is_not_understood_is_told() -> None:
    lines = ["not a line of strace", "7<python> <... connect resumed>) = 0", "7<python> ptrace(1) = 0", "7<python> ?"]
    assert len(parse_trace(lines).unread) == 4


def test_the_name_asked_for_is_told() -> None:
    (attempt,) = trace(f"sendmmsg(3<UDP:[192.0.2.2:9->192.0.2.53:53]>, {ASKED}, 1, 0) = 1").attempts
    assert attempt.name == "planted-leak.nerkd.example"
    assert str(attempt).endswith("192.0.2.53:53 (DNS) asking for planted-leak.nerkd.example")


@pytest.mark.parametrize("name", [r"we\74ird\76 \"x\"", "VLLM::EngineCor", "ZMQbg/IO/0", ""])
def test_a_thread_may_be_called_anything(name: str) -> None:
    found = trace(f"connect(3<TCP:[1]>, {OUT}, 16) = 0", process=f"7<{name}>")
    assert (len(found.attempts), found.unread) == (1, ())


def test_programs_and_rings_are_counted() -> None:
    found = trace(
        'execve("/usr/bin/python", ["python"], 0x7f /* 3 vars */) = 0',
        'execve("/nowhere", ["x"], 0x7f /* 3 vars */) = -1 ENOENT (No such file or directory)',
        "io_uring_setup(64, {flags=0}) = 5<anon_inode:[io_uring]>",
        "io_uring_setup(64, {flags=0}) = -1 EPERM (Operation not permitted)",
    )
    assert (found.commands, found.rings, found.attempts) == (1, ("python",), ())
    assert trace("io_uring_setup(64, {flags=0}) = -1 ENOSYS (Function not implemented)").rings == ()


@pytest.mark.parametrize(
    ("calls", "listeners"),
    [
        (["listen(3<TCP:[0.0.0.0:8000]>, 128) = 0"], ["python: 0.0.0.0:8000"]),
        (["listen(3<TCPv6:[[::]:8000]>, 128) = 0"], ["python: [::]:8000"]),
        (["listen(3<TCP:[192.0.2.2:8000]>, 128) = 0"], ["python: 192.0.2.2:8000"]),
        (["listen(3<TCP:[127.0.0.1:8000]>, 128) = 0", "listen(4<TCPv6:[[::1]:8000]>, 128) = 0"], []),
        (["listen(3<TCP:[0.0.0.0:8000]>, 128) = -1 EADDRINUSE (Address already in use)"], []),
        (['listen(3<UNIX-STREAM:[1,"/tmp/x"]>, 128) = 0'], []),
        # never bound: the kernel gives it a port, at every address
        (["listen(3<TCP:[1]>, 128) = 0"], ["python: 0.0.0.0:0"]),
        # bound, where strace knows sockets by their numbers alone
        ([f"bind(3<socket:[1]>, {HERE}, 16) = 0", "listen(3<socket:[1]>, 128) = 0"], []),
        ([f"bind(3<socket:[1]>, {OUT}, 16) = 0", "listen(3<socket:[1]>, 128) = 0"], ["python: 203.0.113.9:443"]),
        # bound and not listened on, as those do who look for a free port
        ([f"bind(3<TCP:[1]>, {OUT}, 16) = 0"], []),
        # UDP has no listen
        ([f"bind(3<UDP:[1]>, {OUT}, 16) = 0"], ["python: 203.0.113.9:443"]),
        ([f"bind(3<UDP:[1]>, {HERE}, 16) = 0"], []),
        (["bind(5<NETLINK:[1]>, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0"], []),
    ],
)
def test_where_others_could_come_in(calls: list[str], listeners: list[str]) -> None:
    assert list(trace(*calls).listeners) == listeners


@given(st.lists(st.text(max_size=60)))
def test_no_lines_break_it_and_none_is_lost_silently(lines: list[str]) -> None:
    found = parse_trace(lines)
    assert len(found.unread) <= len(lines)
    assert not found.attempts


@given(st.binary(max_size=60))
def test_bytes_that_are_sent_do_not_hide_where_to(data: bytes) -> None:
    shown = "".join(f"\\{byte:o}" if not 32 <= byte < 127 or byte in b'"\\' else chr(byte) for byte in data)
    assert attempts(f'sendto(3<UDP:[1]>, "{shown}"..., 60, 0, {OUT}, 16) = 60') == ["sendto 203.0.113.9:443"]
