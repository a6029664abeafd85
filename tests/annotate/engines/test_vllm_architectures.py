"""What the installed vLLM says to a model that it is only shown."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from nerkd_local.annotate.engines import vllm_architectures
from nerkd_local.annotate.engines.vllm_architectures import VllmAnswer, ask_vllm
from tests.conftest import missing
from tests.models.folders import copy_annotator, copy_student, edit_json


@pytest.fixture
def vllm() -> None:
    if vllm_architectures.vllm_version() is None:
        missing("vLLM is not installed")


def done(monkeypatch: pytest.MonkeyPatch, *, out: bytes, errors: bytes = b"", code: int = 0) -> None:
    monkeypatch.setattr(vllm_architectures, "vllm_version", lambda: "vllm 0.0")
    monkeypatch.setattr(
        subprocess, "run", lambda command, **how: subprocess.CompletedProcess(command, code, out, errors)
    )


def test_without_vllm_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_architectures, "vllm_version", lambda: None)
    assert ask_vllm(tmp_path, timeout_s=1) == VllmAnswer(None, "it is not installed here")


def test_its_answer_is_the_last_line_that_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"serves": False, "told": "no such architecture"}
    done(monkeypatch, out=b"some library's greeting\n" + json.dumps(answer).encode() + b"\n")
    assert ask_vllm(tmp_path, timeout_s=1) == VllmAnswer(False, "no such architecture")


@pytest.mark.parametrize("out", [b"", b"greeting\n", b"[]\n", b'{"serves": true}\n', b'{"more": 1}\n'])
def test_a_process_that_does_not_answer_says_nothing_about_the_model(
    out: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(monkeypatch, out=out, errors=b"trace\nillegal instruction\n\n", code=-4)
    assert ask_vllm(tmp_path, timeout_s=1) == VllmAnswer(None, "it ended with exit status -4: illegal instruction")


def test_one_that_takes_too_long_says_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **how: float) -> None:
        raise subprocess.TimeoutExpired(command, how["timeout"])

    monkeypatch.setattr(vllm_architectures, "vllm_version", lambda: "vllm 0.0")
    monkeypatch.setattr(subprocess, "run", hang)
    assert ask_vllm(tmp_path, timeout_s=7) == VllmAnswer(None, "it did not answer within 7 s")


@pytest.mark.vllm
def test_it_knows_which_models_write_text(vllm: None, tmp_path: Path) -> None:
    annotator = copy_annotator(tmp_path / "annotator")
    answer = ask_vllm(annotator, timeout_s=300)
    assert answer.serves, answer
    assert answer.told.startswith("LlamaForCausalLM, bfloat16, 1,024 tokens")
    edit_json(annotator / "config.json", architectures=["NobodysForCausalLM"], model_type="nobodys")
    answer = ask_vllm(annotator, timeout_s=300)
    assert answer.serves is False, answer
    assert "nobodys" in answer.told.lower()
    answer = ask_vllm(copy_student(tmp_path / "student"), timeout_s=300)
    assert answer.serves is False, answer
    assert "writes no text" in answer.told
