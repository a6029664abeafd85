from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from nerkd_local.doctor.egress import leak
from nerkd_local.doctor.egress.addresses import Place
from nerkd_local.doctor.egress.black_hole import Swallowed
from nerkd_local.doctor.egress.jobs import FRESH, Job
from nerkd_local.doctor.egress.packets import Packet
from nerkd_local.doctor.egress.prove import Control, Row, prove, prove_at_once, run_controls
from nerkd_local.doctor.egress.strace import Attempt, Trace
from nerkd_local.doctor.egress.watch import Run, run_watched

QUIET = Trace((), (), (), 1, ())
LEAKY = Trace((Attempt("python", "connect", Place("203.0.113.9", 443)),) * 2, (), (), 1, ())


def swallowed(packets: int = 0, left: tuple[str, ...] = ()) -> Swallowed:
    kinds = ((Packet("UDP", Place("203.0.113.9", 7)), packets),) if packets else ()
    return Swallowed(0, 1.0, packets, kinds, (), left, True, True)


def ran(seconds: float = 1.0, code: int | None = 0, said: str = "", **found: object) -> Run:
    return Run(code, seconds, said, **found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        (Row("x", (ran(),), (ran(trace=QUIET),), (ran(swallowed=swallowed()),)), []),
        (Row("x", (), (ran(trace=LEAKY),), ()), ["2 x python: connect 203.0.113.9:443"]),
        (Row("x", (), (), (ran(swallowed=swallowed(3)),)), ["3 packets (3 x UDP 203.0.113.9:7)"]),
        (Row("x", (), (), (ran(swallowed=swallowed(left=("vllm",))),)), ["left running: vllm"]),
        (Row("x", (), (ran(trace=Trace((), (), (), 1, ("?!",))),), ()), ["1 lines of the trace cannot be read (?!)"]),
        # a command that did not do its work shows nothing, however quiet it was
        (Row("x", (), (ran(code=2, said="a\nno such file\n", trace=QUIET),), ()), ["ended with 2: no such file"]),
        (Row("x", (), (), (ran(code=None, swallowed=swallowed()),)), ["ended with its time up: "]),
    ],
)
def test_why_a_command_is_not_shown_to_keep_to_itself(row: Row, problems: list[str]) -> None:
    assert row.problems() == problems


@pytest.mark.parametrize(
    ("here", "there", "slower"),
    [
        ([9.0, 5.0, 7.0], [6.5, 30.0], None),  # the quickest of each: load is not a wait
        ([5.0], [7.0], None),
        ([5.0], [7.1, 8.0], "2.1 s slower where nothing answers"),
        ([5.0], [4.0], None),
    ],
)
def test_waiting_for_answers_is_told_from_load(here: list[float], there: list[float], slower: str | None) -> None:
    row = Row("x", tuple(map(ran, here)), (), tuple(ran(seconds, swallowed=swallowed()) for seconds in there))
    assert row.problems() == ([slower] if slower else [])


def test_nothing_watched_is_not_nothing_seen() -> None:
    row = Row("x", (ran(),), (), ())
    assert (row.attempts, row.packets, row.slower_s) == (None, None, None)


@pytest.mark.parametrize(
    ("control", "holds"),
    [
        (Control("udp4", True, True), True),
        (Control("udp4", True, False), False),
        (Control("udp4", False, True), False),
        (Control("udp4", None, True), True),
        (Control("udp4", True, None), True),
        (Control("probe", True, False), True),  # it sends nothing
        (Control("probe", True, True), False),
        (Control("listener", True, True), True),
        (Control("listener", True, False), False),
        (Control("inside", False, False), True),
        (Control("inside", True, False), False),
        (Control("inside", False, True), False),
    ],
)
def test_a_control_holds_if_each_means_saw_what_it_can(control: Control, holds: bool) -> None:
    assert control.holds == holds


@pytest.mark.slow
@pytest.mark.usefixtures("strace", "black_hole")
def test_every_planted_leak_is_caught_and_local_traffic_is_not() -> None:
    controls = run_controls(leak.KINDS, trace=True, hole=True)
    assert [control.kind for control in controls if not control.holds] == []
    assert len(controls) == len(leak.KINDS)


@pytest.mark.usefixtures("strace")
def test_without_a_black_hole_nothing_is_planted_that_would_be_sent() -> None:
    controls = run_controls(leak.KINDS, trace=True, hole=False)
    assert {control.kind for control in controls} == {*leak.SILENT, *leak.HARMLESS}
    assert all(control.holds for control in controls)


WAITS = """
import socket, sys
try:
    socket.create_connection(("203.0.113.9", 443), timeout=2.5)
except OSError:
    pass
open(sys.argv[1], "x").write("done")
"""


@pytest.mark.usefixtures("strace", "black_hole")
def test_a_job_that_leaks_is_caught_in_each_way(tmp_path: Path) -> None:
    job = Job("leaks", (sys.executable, "-I", "-S", "-c", WAITS, FRESH))
    row = prove(job, tmp_path, plain=0, traced=0, swallowed=1)
    assert row.packets is not None
    assert row.packets >= 1
    both = prove_at_once(job, tmp_path / "both", trace=True, hole=True)
    assert both.attempts == 1
    assert (tmp_path / "swallowed0").read_text() == (tmp_path / "both").read_text() == "done"


@pytest.mark.usefixtures("strace", "black_hole")
def test_a_job_that_keeps_to_itself_is_shown_to(tmp_path: Path) -> None:
    job = Job("quiet", ("cp", "/etc/hostname", FRESH))
    row = prove(job, tmp_path, plain=2, traced=1, swallowed=2)
    assert (row.problems(), row.attempts, row.packets, row.listeners) == ([], 0, 0, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "plain0",
        "plain1",
        "swallowed0",
        "swallowed1",
        "traced0",
    ]


def test_a_job_whose_time_is_up_is_ended_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    run = run_watched(["sh", "-c", f"(sleep 3; touch {mark}) & sleep 30"], trace=False, hole=False, timeout_s=0.5)
    assert run.code is None
    time.sleep(3)
    assert not mark.exists()
