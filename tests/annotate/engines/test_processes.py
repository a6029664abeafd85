"""An engine is closed when its processes are gone, however they take it."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from types import SimpleNamespace

import psutil

from nerkd_local.annotate.engines.processes import EngineProcesses
from nerkd_local.annotate.engines.vllm_inprocess import describe_exit, watch
from tests.waiting import wait_until

_SPAWN = multiprocessing.get_context("spawn")


def parent_of_one() -> None:
    """An engine's process: it has a worker, and takes no notice of a request to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]):
        time.sleep(600)


def idle() -> None:
    time.sleep(600)


def start(target: object) -> BaseProcess:
    process = _SPAWN.Process(target=target, daemon=False)  # type: ignore[arg-type]
    process.start()
    return process


def test_all_of_the_engine_is_gone_and_nothing_else() -> None:
    before = start(idle)
    try:
        processes = EngineProcesses()
        engine = start(parent_of_one)
        assert engine.pid is not None
        seen = psutil.Process(engine.pid)
        wait_until(lambda: len(seen.children()) == 1, within_s=30)
        (worker,) = seen.children()
        processes.end(engine.terminate, patience_s=0.5)
        assert not engine.is_alive()
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE  # nobody but init can reap it
        assert before.is_alive()
    finally:
        before.kill()
        before.join()


def test_an_engine_without_processes_is_shut_down_all_the_same() -> None:
    told: list[str] = []
    EngineProcesses().end(lambda: told.append("shut down"))
    assert told == ["shut down"]


def test_who_waits_for_answers_is_told_when_a_process_of_the_engine_is_killed() -> None:
    processes = EngineProcesses()
    engine = start(idle)
    core = SimpleNamespace(outputs_queue=queue.Queue())
    assert watch(processes.started(), core) == [engine]
    engine.kill()
    assert isinstance(core.outputs_queue.get(timeout=30), Exception)
    assert describe_exit(engine.exitcode) == "SIGKILL"
    assert describe_exit(3) == "exit code 3"
    assert watch([], core) == []
