from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerkd_local.doctor.egress.black_hole import _INSIDE, CannotBuild, run_swallowed
from tests.conftest import missing

pytestmark = pytest.mark.usefixtures("black_hole")


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_what_keeps_to_itself_sends_nothing() -> None:
    """The kernel neither: what it says when interfaces come up is over, or was never said."""
    swallowed = run_swallowed(["sleep", "2"])
    assert (swallowed.code, swallowed.packets, swallowed.kinds, swallowed.left) == (0, 0, (), ())
    assert 2 <= swallowed.seconds < 3


def test_packets_are_counted_one_by_one_and_told_apart() -> None:
    code = """
import socket
for n in range(5):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.9', 7))
for n in range(3):
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8:1::9', 7))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 7))
"""
    swallowed = run_swallowed(python(code))
    assert swallowed.packets == 8
    assert {str(packet): count for packet, count in swallowed.kinds} == {
        "UDP 203.0.113.9:7": 5,
        "UDP [2001:db8:1::9]:7": 3,
    }


def test_nobody_answers_so_whoever_connects_waits() -> None:
    code = """
import socket
socket.create_connection(('203.0.113.9', 443), timeout=1.5)
"""
    swallowed = run_swallowed(python(code))
    assert swallowed.code == 1
    assert swallowed.seconds > 1.5


def test_questions_for_names_go_into_it(tmp_path: Path) -> None:
    before = Path("/etc/resolv.conf").read_text()
    with (tmp_path / "said").open("w+b") as log:
        swallowed = run_swallowed(["cat", "/etc/resolv.conf"], log=log)
    assert swallowed.names
    assert (tmp_path / "said").read_text() == "nameserver 198.51.100.53\nnameserver 2001:db8::53\n"
    assert Path("/etc/resolv.conf").read_text() == before


def test_another_user_than_root_has_one_too(tmp_path: Path) -> None:
    """Without rights on the machine: root of a user namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("this user is already another than root")
    inside = tmp_path / "inside.py"
    inside.write_bytes(_INSIDE.read_bytes())
    tmp_path.chmod(0o777)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    leak = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.9', 7))"
    report = tmp_path / "report.json"
    system = shutil.which("python3", path="/usr/bin:/bin") or missing("this user's Python is root's alone")
    apart = ["unshare", "--net", "--mount", "--map-root-user", "--"]
    command = [*apart, str(system), "-I", "-S", str(inside), str(report), "60", str(system), "-c", leak]
    done = subprocess.run(command, user="nobody", capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text())["packets"] == 1


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_listeners_that_others_could_reach_are_told(address: str) -> None:
    code = f"import socket, time; s = socket.create_server(({address!r}, 4321)); time.sleep(1)"
    assert run_swallowed(python(code)).listeners == (("0.0.0.0:4321",) if address == "0.0.0.0" else ())


def test_what_cut_itself_loose_is_waited_for_told_and_ended(tmp_path: Path) -> None:
    mark = tmp_path / "ended by itself"
    leaves = ["sh", "-c", f"setsid sh -c 'sleep 60; touch \"{mark}\"' & exit 3"]
    began = time.monotonic()
    swallowed = run_swallowed(leaves)
    assert swallowed.code == 3
    assert set(swallowed.left) == {"sh", "sleep"}
    assert time.monotonic() - began < 20
    assert not mark.exists()


def test_a_command_whose_time_is_up_is_ended_with_all_it_started() -> None:
    swallowed = run_swallowed(["sh", "-c", "setsid sleep 61.5 & sleep 61.5"], timeout_s=0.5)
    assert swallowed.code is None
    assert "61.5" not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout


def test_an_exit_code_comes_back_and_a_command_that_is_not_there_is_trouble() -> None:
    assert run_swallowed(["sh", "-c", "exit 7"]).code == 7
    with pytest.raises(CannotBuild, match="no-such-program"):
        run_swallowed(["no-such-program"])


def test_without_its_tools_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotBuild, match="unshare: No such file"):
        run_swallowed(["true"])
    (tmp_path / "unshare").symlink_to("/usr/bin/unshare")
    with pytest.raises(CannotBuild, match="ip: No such file"):
        run_swallowed(["true"])


def test_where_it_is_refused_it_says_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ip").write_text("#!/bin/sh\necho RTNETLINK answers: Operation not permitted >&2; exit 2\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(CannotBuild, match="ip link set lo up: RTNETLINK answers: Operation not permitted"):
        run_swallowed(["true"])


def test_a_process_that_ends_without_its_parent_is_gone_as_it_is_outside() -> None:
    """What waits until another is gone (an engine's end does) must not find it a zombie for ever."""
    code = """
import os, time
read, write = os.pipe()
if os.fork() == 0:
    if (orphan := os.fork()) == 0:
        time.sleep(.3)
        os._exit(0)
    os.write(write, str(orphan).encode())
    os._exit(0)
os.wait()
orphan = int(os.read(read, 20))
while os.path.exists(f"/proc/{orphan}"):
    time.sleep(.01)
"""
    swallowed = run_swallowed(python(code), timeout_s=5)
    assert swallowed.code == 0
    assert swallowed.seconds < 2
