"""A server of the run's own, by a stand-in for vLLM's: started, watched, ended. tests/integration has a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.completer import EngineDied, Message, Request
from nerkd_local.annotate.engines.logs import last_words
from nerkd_local.annotate.engines.openai_http import ServerCompleter
from nerkd_local.annotate.engines.processes import end_session
from nerkd_local.annotate.engines.serve import ServeCompleter, VllmServer
from nerkd_local.annotate.engines.start import check_engine, engine_identity
from nerkd_local.annotate.engines.supervised import Supervised
from nerkd_local.annotate.engines.vllm_server import NAME
from nerkd_local.annotate.settings import ServerSettings, ServeSettings, VllmSettings
from nerkd_local.errors import InputError
from tests.conftest import missing
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
PROGRAM = "tests.fakes.vllm_server_program"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if any(find_spec(name) is None for name in ("openai", "tenacity", "psutil")):
        missing("openai, tenacity or psutil is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("FAKE_SERVER_IS", "up")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return ServeSettings(model=model, retries=3)


@pytest.fixture
def engine(settings: ServeSettings) -> Iterator[ServeCompleter]:
    completer = ServeCompleter(settings, server=VllmServer(settings, program=PROGRAM))
    yield completer
    completer.close()


def request(key: int, text: str, **more: Any) -> Request:
    return Request(key, (Message("user", text),), 20, **more)


def session(leader: int) -> list[int]:
    """The living processes of a session."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.status() != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == leader:
                found.append(process.pid)
    return found


def logs(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("nerkd-*.log"))


def test_it_is_started_asked_and_ended(engine: ServeCompleter, tmp_path: Path) -> None:
    completions = engine.complete(request(number, f"{number} of Bonn") for number in range(30))
    assert sorted((answer.key, answer.text) for answer in completions) == [(n, f"{n} of Bonn") for n in range(30)]
    assert len(session(engine.server.pid)) == 2
    assert len(logs(tmp_path)) == 1
    engine.close()
    assert session(engine.server.pid) == []
    assert logs(tmp_path) == []
    engine.close()


def test_its_key_is_its_own_and_on_no_command_line(engine: ServeCompleter) -> None:
    import psutil

    command = " ".join(psutil.Process(engine.server.pid).cmdline())
    assert PROGRAM in command
    assert engine.server.key not in command
    stranger = ServerCompleter(ServerSettings(base_url=engine.server.url, model=NAME), key="another")
    with pytest.raises(InputError, match="wants a key"):
        list(stranger.complete([request(0, "Ann")]))
    stranger.close()


def test_one_that_dies_is_noticed_and_leaves_nothing_but_its_log(engine: ServeCompleter, tmp_path: Path) -> None:
    with pytest.raises(EngineDied, match=r"^the vLLM server ended \(signal 9; last words: Loading model; its log: "):
        list(engine.complete([request(0, "kill"), request(1, "Ann")]))
    wait_until(engine.server.is_gone, within_s=10)
    assert len(session(engine.server.pid)) == 1  # what it started does not know
    engine.close()
    assert session(engine.server.pid) == []
    assert len(logs(tmp_path)) == 1


def test_the_question_that_kills_it_is_found_and_all_others_are_answered(settings: ServeSettings) -> None:
    settings = settings.model_copy(update={"in_flight": 8})
    servers: list[VllmServer] = []

    def start() -> ServeCompleter:
        servers.append(VllmServer(settings, program=PROGRAM))
        return ServeCompleter(settings, server=servers[-1])

    engine = Supervised(start)
    texts = [f"{number} of Bonn" for number in range(20)]
    texts[11] = "kill"
    answers = sorted(engine.complete(request(*one) for one in enumerate(texts)), key=lambda answer: answer.key)
    engine.close()
    assert [answer.text for answer in answers] == [*texts[:11], "", *texts[12:]]
    assert [answer.key for answer in answers if answer.finish_reason == "failed"] == [11]
    assert not any(session(server.pid) for server in servers)


def test_one_that_does_not_start_is_one_line_with_the_cause(
    settings: ServeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_SERVER_IS", "broken")
    server = VllmServer(settings, program=PROGRAM)
    with pytest.raises(InputError) as caught:
        ServeCompleter(settings, server=server)
    assert str(caught.value) == (
        f"{settings.model}: the vLLM server did not start (exit code 1; last words: ValueError: no room for keys; "
        f"its log: {server.log})"
    )
    assert session(server.pid) == []
    assert logs(tmp_path) == [server.log]


def test_one_that_is_not_up_in_time_is_ended(settings: ServeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SERVER_IS", "slow")
    settings = settings.model_copy(update={"startup_timeout_s": 0.5})
    server = VllmServer(settings, program=PROGRAM)
    with pytest.raises(InputError, match=r"not up after \d s \(engine.startup_timeout_s; last words: "):
        ServeCompleter(settings, server=server)
    assert session(server.pid) == []


def test_a_long_start_is_told_about(settings: ServeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SERVER_IS", "slow")
    monkeypatch.setattr("nerkd_local.annotate.engines.serve._SAY_EVERY_S", 0.0)
    server = VllmServer(settings, program=PROGRAM)
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if "Loading model" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ServeCompleter(settings, server=server, say=say)
    assert told[-1].startswith("the vLLM server is starting (")
    assert told[-1].endswith("): Loading model")
    assert session(server.pid) == []


def test_one_that_does_not_want_to_end_is_killed(settings: ServeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SERVER_IS", "stubborn")
    monkeypatch.setattr(
        "nerkd_local.annotate.engines.serve.end_session", lambda leader: end_session(leader, patience_s=0.3)
    )
    engine = ServeCompleter(settings, server=VllmServer(settings, program=PROGRAM))
    begun = time.monotonic()
    engine.close()
    assert time.monotonic() - begun >= 0.3
    assert session(engine.server.pid) == []


def test_gpt_oss_is_asked_with_its_thinking_apart(settings: ServeSettings) -> None:
    (settings.model / "config.json").write_text(json.dumps({"model_type": "gpt_oss"}))
    engine = ServeCompleter(settings, server=VllmServer(settings, program=PROGRAM))
    try:
        with pytest.raises(InputError, match="set thinking: apart"):
            list(engine.complete([request(0, "Ann", keep_control_tokens=True)]))
        assert len(list(engine.complete([request(0, "Ann")]))) == 1
    finally:
        engine.close()


def test_what_says_most_about_an_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_words(log).startswith("its log cannot be read (")
    for text, words in [
        ("", "it printed nothing"),
        ("one\n\ntwo\n\n", "two"),
        ("OSError: no such file\nbye\n", "OSError: no such file"),
        ("(EngineCore pid=1) \x1b[1mtorch.OutOfMemoryError: CUDA out of memory\nRuntimeError: x", "RuntimeError: x"),
        ("ValueError: cause\nRuntimeError: Engine core initialization failed. See above", "ValueError: cause"),
        ("x" * 100_000 + "\nend\x07", "end�"),
    ]:
        log.write_text(text)
        assert last_words(log) == words


def test_a_served_model_is_known_as_the_same_model_in_this_process(settings: ServeSettings) -> None:
    assert engine_identity(settings) == engine_identity(VllmSettings(model=settings.model))
    copies = settings.model_copy(update={"data_parallel_size": 2, "in_flight": 9, "timeout_s": 1.0})
    assert engine_identity(copies) == engine_identity(settings)


def test_a_model_that_is_not_there_is_found_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        check_engine(ServeSettings(model=tmp_path / "absent"))
    with pytest.raises(InputError, match="no such folder"):
        VllmServer(ServeSettings(model=tmp_path / "absent"))
    assert logs(tmp_path) == []


_OWNER = """
import sys, time
from pathlib import Path
from nerkd_local.annotate.engines.openai_http import ServerCompleter
from nerkd_local.annotate.engines.processes import end_session
from nerkd_local.annotate.engines.serve import VllmServer
from nerkd_local.annotate.settings import ServeSettings
server = VllmServer(ServeSettings(model=Path(sys.argv[1])), program=sys.argv[2])
server.wait_until_up()
print(server.pid, flush=True)
time.sleep(1000)
"""


def test_it_does_not_outlive_a_killed_owner(settings: ServeSettings) -> None:
    command = [sys.executable, "-c", _OWNER, str(settings.model), PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert pid in session(pid)
        owner.kill()
    try:
        wait_until(lambda: pid not in session(pid), within_s=30)
    finally:
        os.killpg(pid, signal.SIGKILL)  # the child of the stand-in, which vLLM's server would have ended itself
