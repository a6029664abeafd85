"""Real vLLM in a process of its own: it is killed mid-run, and no answer is lost, doubled or blamed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from nerkd_local.annotate.completer import Completion, Message, Request
from nerkd_local.annotate.engines.start import open_engine
from nerkd_local.annotate.engines.supervised import Supervised
from nerkd_local.annotate.engines.worker_process import WorkerProcess
from nerkd_local.annotate.settings import VllmSettings
from nerkd_local.errors import InputError
from tests.conftest import missing

pytestmark = [pytest.mark.vllm, pytest.mark.slow]
COUNT = 150
PROGRAM = "nerkd_local.annotate.engines.worker"


@pytest.fixture(autouse=True)
def _vllm() -> None:
    if find_spec("vllm") is None:
        missing("vLLM is not installed")


def requests() -> Iterator[Request]:
    for number in range(COUNT):
        yield Request(number, (Message("user", f"Text: Peter Blackburn number {number} of BRUSSELS"),), 40)


def workers() -> list[psutil.Process]:
    """The living engines of this process."""
    return [process for process in psutil.Process().children() if process.cmdline()[-2:-1] == [PROGRAM]]


def engine_core(engine: psutil.Process) -> psutil.Process:
    """vLLM's process below the engine's."""
    (core,) = (process for process in engine.children(recursive=True) if "EngineCore" in " ".join(process.cmdline()))
    return core


def test_an_engine_that_is_killed_twice_loses_and_doubles_nothing(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = VllmSettings(
        model=shared / "models" / "bench-annotator", max_model_len=510, cpu_kv_cache_gib=1, max_num_seqs=8
    )
    engine = open_engine(settings, logs=tmp_path)
    assert isinstance(engine, Supervised)
    completions: list[Completion] = []
    seen: list[psutil.Process] = []
    try:
        for completion in engine.complete(requests()):
            completions.append(completion)
            if len(completions) in (10, 90):
                (process,) = workers()
                seen += [process, *process.children(recursive=True)]
                os.kill((engine_core(process) if len(completions) == 10 else process).pid, signal.SIGKILL)
    finally:
        engine.close()
    assert sorted(completion.key for completion in completions) == list(range(COUNT))
    assert {completion.finish_reason for completion in completions} <= {"stop", "length"}
    assert engine.restarts == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" ended, ")[1][:7] for line in told] == ["SIGKILL"] * 2
    assert len(seen) > 2
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in seen)
    assert (tmp_path / "engine-1.log").is_file()


def test_a_folder_that_vllm_cannot_serve_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model", "architectures": ["NoSuchModel"]}')
    with pytest.raises(InputError, match=r"vLLM cannot serve this model: .*no-such-model") as caught:
        WorkerProcess(VllmSettings(model=tmp_path))
    assert "\n" not in str(caught.value)
    assert workers() == []
