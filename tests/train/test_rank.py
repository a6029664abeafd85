"""A process under the launcher: set up once, then its work, and how both are told of its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.offline import Profile
from nerkd_local.train import rank
from nerkd_local.train.lifeline import Lifeline
from nerkd_local.train.rank import run_rank
from nerkd_local.train.ranks import RankFailed

Stop = Callable[[], bool]


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done before the work, in order; none of it to this process."""
    done: list[str] = []

    def seal() -> Profile:
        done.append("sealed")
        return Profile()

    monkeypatch.setattr(rank.offline, "seal", seal)
    monkeypatch.setattr(rank, "wait_politely", lambda: done.append("threads"))
    monkeypatch.setattr(rank, "keep_freed_memory", lambda: done.append("memory"))
    monkeypatch.setattr(rank, "signal_at_parents_end", lambda number: done.append(f"ends with {number}"))
    for name in ("RANK", "LOCAL_RANK", "NERKD_LAUNCH_FOLDER", "NERKD_LAUNCH_PROCESS", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return done


def test_a_process_is_set_up_once_before_its_work(prepared: list[str]) -> None:
    assert run_rank(lambda stop: prepared.append(f"work, stop {stop()}")) == 0
    assert prepared == ["sealed", "threads", "memory", "work, stop False"]


def test_a_signal_is_heard_by_the_work_alone(prepared: list[str]) -> None:
    before = signal.getsignal(signal.SIGUSR1)

    def work(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop()
        raise InterruptedRun("stopped")

    assert run_rank(work) == 3
    assert signal.getsignal(signal.SIGUSR1) is before


def test_ranks_of_several_machines_are_refused_on_a_local_network_and_not_left_waiting(
    monkeypatch: pytest.MonkeyPatch, prepared: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    assert run_rank(lambda stop: prepared.append("work")) == 2
    assert "2 machines are to train together, and the network is local" in capsys.readouterr().err
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert run_rank(lambda stop: prepared.append("work")) == 0
    assert prepared[-1] == "work"


def raising(error: Exception) -> Callable[[Stop], None]:
    def work(stop: Stop) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("number", "error", "told"),
    [
        ("0", InputError("what all see"), "what all see\n"),
        ("1", InputError("what all see"), ""),
        ("0", RankFailed("rank 1 failed", 2, own=False), ""),
        ("1", RankFailed("rank 1: no such file", 2, own=True), "rank 1: no such file\n"),
    ],
)
def test_an_error_is_told_once_and_ends_every_rank_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str, error: Exception, told: str
) -> None:
    monkeypatch.setenv("RANK", number)
    assert run_rank(raising(error)) == 2
    assert capsys.readouterr().err == told


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_rank(raising(ZeroDivisionError()))


@pytest.mark.parametrize(("local", "reported"), [("0", 3), ("1", None)])
def test_under_launch_the_first_rank_of_a_machine_leaves_the_code_and_all_exit_with_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prepared: list[str], local: str, reported: int | None
) -> None:
    lifeline = Lifeline.offer(tmp_path)
    for name, value in {**lifeline.environment(), "LOCAL_RANK": local, "RANK": local}.items():
        monkeypatch.setenv(name, value)

    def work(stop: Stop) -> None:
        assert not stop()
        lifeline.ask_to_stop()
        assert stop()
        raise InterruptedRun("stopped")

    assert run_rank(work) == 0
    assert lifeline.reported() == reported
    assert prepared[0] == f"ends with {signal.SIGKILL}"
