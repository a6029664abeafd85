"""What a rank learns of the process that started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.train.lifeline import Lifeline, process_mark

SLEEP = [sys.executable, "-c", "import sys, time; print(flush=True); time.sleep(600)"]


def test_a_rank_holds_what_launch_offered(tmp_path: Path) -> None:
    offered = Lifeline.offer(tmp_path)
    assert Lifeline.held(offered.environment()) == offered
    assert not offered.stop_wanted()
    offered.ask_to_stop()
    offered.ask_to_stop()
    assert offered.stop_wanted()
    assert not offered.is_cut()


def test_without_launch_there_is_no_tie() -> None:
    assert Lifeline.held({"HOME": "/"}) is None


def test_the_exit_code_comes_back(tmp_path: Path) -> None:
    lifeline = Lifeline.offer(tmp_path)
    assert lifeline.reported() is None
    lifeline.report(3)
    assert lifeline.reported() == 3


def test_a_call_of_launch_that_is_over_is_missed(tmp_path: Path) -> None:
    lifeline = Lifeline.offer(tmp_path / "gone")
    assert lifeline.stop_wanted()
    lifeline.report(0)
    assert not (tmp_path / "gone").exists()


def test_a_killed_process_is_missed_before_it_is_collected_and_after(tmp_path: Path) -> None:
    process = subprocess.Popen(SLEEP, stdout=subprocess.PIPE)
    mark = process_mark(process.pid)
    assert mark is not None
    folder = tmp_path / "tie"
    folder.mkdir()
    lifeline = Lifeline(folder, mark)
    assert not lifeline.is_cut()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has collected it
    assert lifeline.stop_wanted()
    process.communicate()
    assert lifeline.stop_wanted()
    lifeline.report(3)
    assert not folder.exists()  # tidied up in its place


def test_a_later_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    pid, _, start = Lifeline.offer(tmp_path).starter.partition(":")
    assert Lifeline(tmp_path, f"{pid}:{int(start) - 1}").is_cut()


@pytest.mark.parametrize("name", ["a b", ") Z 1 (", "(("])
def test_a_process_is_known_whatever_its_name(name: str) -> None:
    own = Path("/proc/self/comm")
    before, mark = own.read_text(), process_mark(os.getpid())
    try:
        own.write_text(name)
        assert process_mark(os.getpid()) == mark
    finally:
        own.write_text(before)
