"""Engines in processes of their own: real ones, with the scripted engine in them."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from nerkd_local.annotate.completer import Completion, EngineDied, Message, Request
from nerkd_local.annotate.engines.start import LazyEngine, open_engine
from nerkd_local.annotate.engines.supervised import Supervised
from nerkd_local.annotate.engines.worker import (
    pack_completions,
    pack_error,
    pack_requests,
    unpack,
    unpack_completions,
    unpack_requests,
)
from nerkd_local.annotate.engines.worker_process import WorkerProcess
from nerkd_local.annotate.settings import ScriptedSettings, VllmSettings
from nerkd_local.errors import InputError, InterruptedRun
from tests.annotate.engines.deadly import request
from tests.waiting import wait_until

PROGRAM = "nerkd_local.annotate.engines.worker"


@pytest.fixture(autouse=True)
def _logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@contextmanager
def worker(log: Path | None = None, **values: Any) -> Iterator[WorkerProcess]:
    engine = WorkerProcess(ScriptedSettings(**values), log)
    try:
        yield engine
    finally:
        engine.close()


def keys(completions: Iterator[Completion]) -> list[int]:
    return sorted(completion.key for completion in completions)


def workers() -> list[psutil.Process]:
    """The living engines of this process."""
    return [process for process in psutil.Process().children() if PROGRAM in process.cmdline()]


def test_it_answers_as_the_engine_in_this_process_does() -> None:
    questions = [replace(request(number, f"Ann {number} of Bonn"), max_tokens=90) for number in range(500)]
    settings = ScriptedSettings(script="mixed")
    here = sorted(open_engine(settings).complete(questions), key=lambda completion: completion.key)
    with worker(script="mixed") as engine:
        there = sorted(engine.complete(questions), key=lambda completion: completion.key)
        assert there == here
        assert keys(engine.complete(questions[:7])) == list(range(7))  # and again
        assert list(engine.complete([])) == []


def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd")), threading.active_count()
    with worker() as engine:
        process = psutil.Process(engine.pid)
        assert keys(engine.complete(map(request, range(10)))) == list(range(10))
    engine.close()
    assert not process.is_running()
    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_is_an_engine_that_died_and_its_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("last words of an earlier one\n")
    with worker(log, dies_on="POISON", in_flight=4) as engine:
        got: list[Completion] = []
        with pytest.raises(EngineDied, match=r"^its process ended, SIGKILL$"):
            got.extend(engine.complete(request(n, "POISON" if n == 40 else None) for n in range(100)))
        assert 40 not in keys(iter(got))
        assert len(got) == len(set(keys(iter(got)))) < 100
        with pytest.raises(EngineDied):
            list(engine.complete([request(1)]))
    assert log.read_text() == "last words of an earlier one\n"


def test_a_poison_request_among_a_hundred_good_ones_is_given_up_and_no_other() -> None:
    said: list[str] = []
    settings = ScriptedSettings(dies_on="POISON", in_flight=32)
    engine = Supervised(lambda: WorkerProcess(settings), said.append)
    texts = [f"{number} of Bonn{' POISON' if number == 50 else ''}" for number in range(101)]
    completions = list(engine.complete(request(*one) for one in enumerate(texts)))
    assert sorted(completion.key for completion in completions) == list(range(101))
    assert [completion.key for completion in completions if completion.finish_reason == "failed"] == [50]
    assert engine.restarts <= math.log2(engine.in_flight) + 2
    assert "'50 of Bonn POISON'" in said[-1]
    engine.close()
    assert workers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_signals_that_stop_a_run_leave_its_engine_to_answer_what_is_out(number: signal.Signals) -> None:
    with worker(answers_a_second=400.0) as engine:
        completions = engine.complete(map(request, range(40)))
        first = next(completions).key
        os.kill(engine.pid, number)
        assert os.getsid(engine.pid) == engine.pid  # Ctrl-C in the terminal does not even reach it
        assert keys(completions) == sorted(set(range(40)) - {first})


def test_a_caller_that_leaves_does_not_get_old_answers_later() -> None:
    with worker(in_flight=16) as engine:
        for _ in range(3):
            stream = engine.complete(map(request, range(100, 200)))
            assert len(list(islice(stream, 5))) == 5
            stream.close()  # type: ignore[attr-defined]
        assert keys(engine.complete(map(request, range(50)))) == list(range(50))


def test_no_more_is_taken_than_is_said_and_none_means_go_on() -> None:
    taken: list[int] = []
    with worker(in_flight=16) as engine:

        def requests() -> Iterator[Request | None]:
            for number in range(300):
                taken.append(number)
                yield request(number)
                if number % 7 == 0:
                    yield None

        seen = 0
        for _ in engine.complete(requests()):
            seen += 1
            assert len(taken) <= seen + engine.in_flight
        assert seen == 300


def test_large_questions_and_answers_do_not_block_each_other() -> None:
    with worker(script="capitals", in_flight=64) as engine:
        text = "Ann " * 10_000
        asked = (Request(number, (Message("user", f"{text}{number}"),), 10_000) for number in range(200))
        assert keys(engine.complete(asked)) == list(range(200))


def test_an_error_of_the_engine_arrives_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder") as caught:
        WorkerProcess(VllmSettings(model=tmp_path / "absent"))
    assert caught.value.path == tmp_path / "absent"
    assert "\n" not in str(caught.value)
    assert workers() == []
    with worker() as engine, pytest.raises(AttributeError, match="rpartition") as bug:
        list(engine.complete([replace(request(1), messages=(Message("user", cast("str", 3)),))]))
    assert "scripted.py" in "".join(bug.value.__notes__)


def test_a_process_that_ends_as_it_starts_is_one_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, sys; sys.stderr.write('no luck today\\n'); os._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputError, match=r"does not start: its process ended, exit code 7; last words: no luck today"):
        WorkerProcess(ScriptedSettings())
    assert len(list(tmp_path.glob("nerkd-engine-*.log"))) == 1


def test_another_thread_can_close_it_under_a_caller_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerkd_local.annotate.engines.worker_process._CLOSING_S", 0.2)
    with worker(answers_a_second=0.001) as engine:
        threading.Timer(0.2, engine.close).start()
        with pytest.raises(EngineDied):
            list(engine.complete(map(request, range(3))))


_OWNER = """
import sys, time
from nerkd_local.annotate.engines.worker_process import WorkerProcess
from nerkd_local.annotate.settings import ScriptedSettings
engine = WorkerProcess(ScriptedSettings())
print(engine.pid, flush=True)
if sys.argv[1] == "killed":
    time.sleep(600)
"""


@pytest.mark.parametrize("end", ["killed", "by itself"])
def test_it_does_not_outlive_the_run_however_that_ends(end: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _OWNER, end], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        process = psutil.Process(int(owner.stdout.readline()))
        if end == "killed":
            owner.kill()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, within_s=10)


def test_lazy_engines_use_processes_and_logs_are_where_they_were_asked_for(tmp_path: Path) -> None:
    settings = ScriptedSettings(own_process=True, engines=2)
    with LazyEngine(settings, tmp_path / "logs") as engine:
        assert workers() == []
        assert keys(engine.complete(map(request, range(50)))) == list(range(50))
        assert len(workers()) == 2
        assert {path.name for path in (tmp_path / "logs").iterdir()} == {"engine-1.log", "engine-2.log"}
    assert workers() == []


def test_what_crosses_arrives_whole() -> None:
    shared = (Message("system", "x" * 9000), Message("user", "a"), Message("assistant", "b"))
    kwargs = {"enable_thinking": False}
    questions = [
        Request(n, (*shared, Message("user", f"{n} \ud800")), 20, "a|b", 0.5, kwargs, True, True, True, True, "g", 3)
        for n in range(64)
    ]
    data = pack_requests(questions)
    assert unpack_requests(data) == questions
    assert len(data) < 9000 + 64 * 200  # what they share crosses once
    answers = [Completion(1, "a\udfff", "stop", 3, 4, (("a", -0.5),), (1, 2), 7), Completion(2, "", "too_long", 0, 0)]
    assert unpack_completions(pack_completions(answers)) == answers


def test_errors_cross_with_their_class_or_at_least_their_story() -> None:
    class Odd(Exception):
        pass

    with pytest.raises(InputError) as caught:
        unpack(pack_error(InputError("no", path=Path("a"), line=3)))
    assert (str(caught.value), caught.value.line) == ("a:3: no", 3)
    with pytest.raises(InterruptedRun, match="later"):
        unpack(pack_error(InterruptedRun("later")))
    with pytest.raises(RuntimeError, match=r"Odd: what\?"):
        unpack(pack_error(Odd("what?")))
