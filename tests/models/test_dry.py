"""Models tried out by the libraries that will read them: what hangs, swells, dies or does not fit is a finding."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nerkd_local.annotate.engines.vllm_architectures import VllmAnswer
from nerkd_local.models import dry
from nerkd_local.models.dry import try_out
from nerkd_local.models.problems import CHEAP, TIMES_S, Part, Problem
from tests.models.folders import copy_annotator, copy_student, edit_json

SHORT: dict[Part, int] = {**TIMES_S, "chat": 2}


def chat(folder: Path, template: str | None) -> list[Problem]:
    (folder / "chat_template.jinja").unlink()
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return try_out(folder, "annotator", ["chat"], SHORT)


@pytest.fixture
def annotator(tmp_path: Path) -> Path:
    return copy_annotator(tmp_path / "annotator")


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return copy_student(tmp_path / "student")


def test_every_part_is_cheap_or_has_a_time() -> None:
    assert not set(CHEAP) & set(TIMES_S)


@pytest.mark.parametrize(
    ("template", "kind", "said"),
    [
        # a hundred thousand is as far as range goes in the sandbox, so they are nested
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "unsafe", "no end in 2 s"),
        ("{{ messages[-1].content }}{{ 'x' * 8000000000 }}", "broken", "refuses every chat: MemoryError"),
        ("{{ messages[-1].content }}{{ 'x' * 100000 }}", "unsafe", "around a chat of a few lines"),
        ("{{ raise_exception('no chats today') }}", "broken", "refuses every chat: no chats today"),
        ("{{ ('' ~ '_' ~ '_class_' ~ '_') }}{{ messages['__cla' ~ 'ss__'] }}", "broken", "does not write the text"),
        ("{{ messages[0].content }}", "broken", "does not write the text"),
        ("{{ messages[-1].content | upper }}", "broken", "does not write the text"),
        ("{{ messages[-1].nothing.at.all }}", "broken", "refuses every chat"),
        (None, "broken", "has no chat template"),
    ],
)
@pytest.mark.slow
def test_a_template_that_does_not_do_its_work_is_found(
    annotator: Path, template: str | None, kind: str, said: str
) -> None:
    began = time.monotonic()
    (problem,) = chat(annotator, template)
    assert (problem.part, problem.kind) == ("chat", kind)
    assert said in problem.what
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_a_template_that_knows_no_system_role_is_sound(annotator: Path) -> None:
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[-1].content }}"
    )
    assert chat(annotator, template) == []


@pytest.mark.slow
def test_the_demo_models_pass_every_trial(annotator: Path, student: Path) -> None:
    assert try_out(annotator, "annotator", ["chat", "tokenizer"]) == []
    assert try_out(student, "student", ["chat", "tokenizer", "load"]) == []


@pytest.mark.slow
def test_template_tokenizer_and_config_must_belong_together(annotator: Path) -> None:
    (annotator / "chat_template.jinja").write_text("<|im_start|>{{ messages[-1].content }}<|im_end|>")
    edit_json(annotator / "config.json", vocab_size=20, eos_token_id=None)
    edit_json(annotator / "generation_config.json", eos_token_id=None)
    edit_json(annotator / "tokenizer_config.json", eos_token=None)
    assert [each.what.split(",")[0][:60] for each in try_out(annotator, "annotator", ["tokenizer"])] == [
        "its tokenizer gives ids up to 1",
        "names no token that ends an answer",
        "its chat template writes <|im_end|>",
    ]


@pytest.mark.slow
def test_a_tokenizer_that_cannot_be_read_is_found(student: Path) -> None:
    (student / "tokenizer.json").write_text('{"version": "1.0"}')
    problems = try_out(student, "student", ["tokenizer", "load"])
    assert [(each.part, each.kind) for each in problems] == [("tokenizer", "broken"), ("load", "broken")]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["nan", "another config", "another type"])
def test_a_student_that_cannot_read_a_sentence_is_found(student: Path, damage: str) -> None:
    if damage == "nan":
        import torch
        from safetensors.torch import load_file, save_file

        tensors = load_file(student / "model.safetensors")
        tensors["embeddings.LayerNorm.weight"] = torch.full_like(tensors["embeddings.LayerNorm.weight"], torch.nan)
        save_file(tensors, student / "model.safetensors", metadata={"format": "pt"})
        said = "NaN or infinite"
    elif damage == "another config":
        edit_json(student / "config.json", hidden_size=64)
        said = "do not belong together"
    else:
        edit_json(student / "config.json", model_type="nobodys")
        said = "cannot be loaded"
    (problem,) = try_out(student, "student", ["load"])
    assert (problem.part, problem.kind) == ("load", "broken")
    assert said in problem.what


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (-signal.SIGALRM, "unsafe", "came to no end in 60 s"),
        (-signal.SIGKILL, "broken", "where memory runs out"),
        (-signal.SIGSEGV, "broken", "exit status -11): the last line"),
        (1, "broken", "exit status 1): the last line"),
    ],
)
def test_however_the_process_ends_it_is_a_finding_about_the_part_it_was_at(
    code: int, kind: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(command: list[str], **how: object) -> subprocess.CompletedProcess[bytes]:
        assert command[-2:] == ["chat=20", "tokenizer=60"]
        stderr = how["stderr"]
        os.write(stderr.fileno(), b"a warning\nthe last line\n\n")  # type: ignore[attr-defined]
        answers = b'{"begin": "chat"}\n{"begin": "tokenizer"}\n'
        return subprocess.CompletedProcess(command, code, answers)

    monkeypatch.setattr(subprocess, "run", ended)
    (problem,) = try_out(tmp_path, "annotator", ["tokenizer", "chat"])
    assert (problem.part, problem.kind) == ("tokenizer", kind)
    assert said in problem.what


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (VllmAnswer(True, "LlamaForCausalLM"), []),
        (VllmAnswer(False, "it has no such architecture"), ["broken"]),
        (VllmAnswer(None, "it is not installed here"), ["note"]),
    ],
)
def test_what_vllm_says_is_passed_on(
    answer: VllmAnswer, kinds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry, "ask_vllm", lambda folder, timeout_s: answer)
    problems = try_out(tmp_path, "annotator", ["load"])
    assert [each.kind for each in problems] == kinds
    assert all(answer.told in each.what for each in problems)
