"""Which signals ask to stop, and for how long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nerkd_local.stopping import STOP_SIGNALS, listen_for_stop
from nerkd_local.train.lifeline import process_mark
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_sets_the_flag_and_its_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with listen_for_stop() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_is_a_keyboard_interrupt() -> None:
    with listen_for_stop() as stop:
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop


def test_a_closed_terminal_stays_ignored_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with listen_for_stop() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop
        signal.raise_signal(signal.SIGTERM)
        assert stop
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_childs_end_comes_with_its_parents() -> None:
    child = (
        "import signal, sys, time; from nerkd_local.stopping import signal_at_parents_end;"
        "signal_at_parents_end(signal.SIGKILL); print(flush=True); time.sleep(600)"
    )
    parent = (
        "import subprocess, sys, time;"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE);"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert process_mark(pid) is not None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    # the kernel sends the signal before it lets the parent be collected; dying takes the child a moment
    wait_until(lambda: process_mark(pid) is None, within_s=30)
