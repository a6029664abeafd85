from __future__ import annotations

import os
from pathlib import Path

import pytest

from nerkd_local.doctor.egress import check
from nerkd_local.doctor.egress.addresses import Place
from nerkd_local.doctor.egress.check import judge_controls, judge_row
from nerkd_local.doctor.egress.prove import Control, Row
from nerkd_local.doctor.egress.strace import Attempt, Trace
from nerkd_local.doctor.egress.watch import Run
from tests.doctor.egress.test_prove import LEAKY, QUIET, swallowed


def at_once(trace: Trace | None, packets: int | None, code: int = 0) -> Row:
    hole = None if packets is None else swallowed(packets)
    return Row("a run", (), (Run(code, 3.0, "no such file", trace, hole),), ())


OPEN = Trace((), ("python: 0.0.0.0:8000",), (), 1, ())
RING = Trace((), (), ("python",), 1, ())


@pytest.mark.parametrize(
    ("row", "status", "seen"),
    [
        (at_once(QUIET, 0), "ok", "0 attempts, 0 packets in 3 s"),
        (at_once(QUIET, None), "ok", "0 attempts in 3 s"),
        (at_once(None, 0), "ok", "0 packets in 3 s"),
        (at_once(LEAKY, 0), "fail", "2 x python: connect 203.0.113.9:443"),
        (at_once(QUIET, 2), "fail", "2 packets (2 x UDP 203.0.113.9:7)"),
        (at_once(LEAKY, 2, code=1), "fail", "203.0.113.9:443"),
        (at_once(QUIET, 0, code=2), "unknown", "not shown: ended with 2: no such file"),
        (at_once(OPEN, 0), "warn", "0 attempts, 0 packets; but listens at python: 0.0.0.0:8000"),
        # what goes through a ring is not seen by strace, and is by the black hole
        (at_once(RING, None), "unknown", "0 attempts; io_uring in use (python)"),
        (at_once(RING, 0), "ok", "0 attempts, 0 packets in 3 s"),
    ],
)
def test_what_is_said_of_a_run(row: Row, status: str, seen: str) -> None:
    finding = judge_row(row)
    assert finding.status == status
    assert seen in finding.seen


def test_a_means_that_misses_a_planted_leak_is_not_relied_on() -> None:
    assert judge_controls([Control("udp4", True, True), Control("inside", False, False)], "strace").status == "ok"
    silent = judge_controls([Control("udp4", None, True), Control("probe", None, False)], "the black hole")
    assert "all 1 planted leaks (udp4)" in silent.seen
    finding = judge_controls([Control("udp4", True, False), Control("inside", True, False)], "strace")
    assert (finding.status, "udp4, inside" in finding.seen) == ("fail", True)


def test_a_machine_without_the_tools_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = check()
    assert [finding.status for finding in findings] == ["unknown", "unknown"]
    assert "install strace " in str(findings[0].fix)
    assert "install iproute2 mount util-linux " in str(findings[1].fix)


def test_a_machine_that_refuses_says_how_to_allow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in ("strace", "ip", "unshare"):
        (tmp_path / tool).write_text("#!/bin/sh\necho Operation not permitted >&2; exit 1\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    traced, swallowed = check()
    assert (traced.status, swallowed.status) == ("unknown", "unknown")
    assert "Operation not permitted" in traced.seen
    assert "ptrace" in str(traced.fix)
    assert "Operation not permitted" in swallowed.seen
    assert "root" in str(swallowed.fix)


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.usefixtures("strace", "black_hole")
def test_the_toolkit_keeps_to_this_machine() -> None:
    """The real thing: two training processes, a student, and vLLM where it is installed."""
    *findings, beyond = check()
    assert [(finding.check, finding.seen) for finding in findings if finding.status != "ok"] == []
    assert len(findings) == 4
    assert (beyond.check, beyond.status) == ("egress: beyond", "unknown")  # said, however well the rest went


def test_the_attempt_is_named() -> None:
    assert str(Attempt("python", "connect", Place("203.0.113.9", 443))) == "python: connect 203.0.113.9:443"
