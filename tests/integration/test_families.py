"""Every shipped annotator on real vLLM, with a tiny model of its family in the large one's place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.completer import Message, Request
from nerkd_local.annotate.engines.start import LazyEngine, start_engine
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.reasoning import skip_thinking
from nerkd_local.annotate.settings import VllmSettings
from nerkd_local.errors import InputError
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer
from tests.conftest import missing
from tests.integration.family_runs import RUNS, TEXTS

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models, one after another, in one process: about a minute; what each left lies in its own folder."""
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    folder = tmp_path_factory.mktemp("families")
    # GPUs as Slurm grants them: nothing here may change that, and without a GPU nothing looks at it
    environment = {**os.environ, "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "CUDA_VISIBLE_DEVICES": "MIG-2f4a"}
    command = [sys.executable, "-m", "tests.integration.family_runs", str(folder)]
    with (folder / "log.txt").open("w") as log:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, timeout=1800)
    return folder


@pytest.fixture(params=sorted(RUNS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def result(folder: Path, name: str) -> dict[str, Any]:
    """What the run of this annotator told; the process's last words where it did not come so far."""
    path = folder / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if name not in results:
        pytest.fail("no result; the process ended with:\n" + (folder / "log.txt").read_text()[-3000:])
    found: dict[str, Any] = results[name]
    if "error" in found:
        pytest.fail(found["error"])
    return found


def stored_answers(folder: Path) -> list[StoredAnswer]:
    with AnswerStore(folder / "answers.sqlite") as store:
        return list(store.answers(1))


def is_begun(answer: str, result: dict[str, Any]) -> bool:
    """Whether an answer in lines that was cut short is the beginning of a well-formed one."""
    lines = skip_thinking(answer, result["thinking"], constrained=True)
    if lines is None:  # it was still thinking, in the channel for that
        return answer.startswith("<|channel|>analysis<|message|>")
    head = answer.removesuffix(lines)
    whole, _, rest = lines.rpartition("\n")
    labels = ("PER\t", "ORG\t", "LOC\t", "MISC\t")
    begun = any(label.startswith(rest) or rest.startswith(label) for label in labels) or "NONE".startswith(rest)
    whole_lines = not whole or re.fullmatch(result["constraint"], head + whole) is not None
    return begun and rest.count("\t") < 2 and whole_lines


def test_every_sentence_gets_an_answer_that_obeys_the_format(folder: Path, name: str, result: dict[str, Any]) -> None:
    ledger = result["ledger"]
    assert ledger["sentences_total"] == len(TEXTS)
    assert sum(ledger["sentences"][state] for state in ("annotated", "truncated", "looped")) == len(TEXTS)
    assert ledger["mentions"]["malformed"] == ledger["mentions"]["bad_type"] == 0
    answers = stored_answers(folder / name)
    assert len(answers) == len(TEXTS)
    for answer in answers:
        if answer.finish_reason == "stop":
            assert re.fullmatch(result["constraint"], answer.answer)
        else:
            assert is_begun(answer.answer, result)


def test_the_same_model_unbound_does_not(result: dict[str, Any]) -> None:
    assert not is_begun(result["free_answer"], result)
    parsed = answer_format("lines").parse(result["free_answer"])
    assert parsed.malformed or not {mention.label for mention in parsed.mentions} <= {"PER", "ORG", "LOC", "MISC"}


def test_the_familys_control_tokens_in_a_text_are_no_control_tokens(result: dict[str, Any]) -> None:
    assert result["hostile_prompt_tokens"] == result["harmless_prompt_tokens"]


def test_the_environment_is_left_as_it_was(result: dict[str, Any]) -> None:
    assert result["environment_changed"] == []


def test_a_setting_that_cannot_be_served_is_told_before_anything_starts(folder: Path) -> None:
    environment = dict(os.environ)
    settings = VllmSettings(model=folder / "llama3_8b" / "model", tensor_parallel_size=64)
    with pytest.raises(InputError, match=r"engine\.tensor_parallel_size is 64, but"):
        start_engine(settings)
    assert dict(os.environ) == environment


def test_a_closed_engine_has_left_no_process_and_no_memory(folder: Path) -> None:
    """In processes of its own, as it runs for users: what a trainer finds afterwards is a free machine."""
    import psutil
    import torch

    def children() -> list[psutil.Process]:
        return [child for child in psutil.Process().children(recursive=True) if child.status() != "zombie"]

    before = children()
    environment = dict(os.environ)
    model = folder / "llama3_8b" / "model"
    with LazyEngine(VllmSettings(model=model, cpu_kv_cache_gib=1, max_num_seqs=8)) as engine:
        assert len(list(engine.complete([Request(0, (Message("user", "Text: Oslo"),), 5)]))) == 1
        started = [child for child in children() if child not in before]
        assert sum(child.memory_info().rss for child in started) > 2**30  # the key-value cache alone
    left = [child for child in children() if child not in before]
    # multiprocessing keeps one helper of a few megabytes, which knows of no engine
    assert all("resource_tracker" in " ".join(child.cmdline()) for child in left)
    assert sum(child.memory_info().rss for child in left) < 2**26
    assert not torch.cuda.is_initialized()  # on a GPU, this process itself would hold some of its memory
    assert dict(os.environ) == environment
