"""Instructions reach the model whatever its chat template does with a system role."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate import folder as annotation_folder
from nerkd_local.annotate.chat_template import knows_system_role
from nerkd_local.annotate.engines.start import LazyEngine
from nerkd_local.annotate.folder import annotate_folder, prepare_job
from nerkd_local.annotate.run import AnnotationJob
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Document, from_words
from tests.fakes.completer import ScriptedCompleter

PLAIN = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
REFUSES = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + PLAIN
)
DROPS = "{% for m in messages if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
FOLDS = (
    "{% set first = messages[0]['content'] %}{% for m in messages[1:] %}"
    "[INST]{% if loop.first %}{{ first }}\n\n{% endif %}{{ m['content'] }}{% endfor %}"
)
LAST_LINE = "{{ messages[-1]['content'].split('\n')[-1] }}"
ALTERNATES = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ m['content'] }}{% endfor %}"
)
DOCUMENT = from_words("d", ["Ann", "left"])


def model_folder(path: Path, template: str | None) -> Path:
    """A folder as far as a model is looked at before it runs."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text("{}")
    (path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": {"content": "</s>"}}))
    if template is not None:
        (path / "chat_template.jinja").write_text(template)
    return path


@pytest.mark.parametrize(
    ("template", "knows"),
    [
        (PLAIN, True),
        (REFUSES, False),
        (DROPS, False),
        (FOLDS, True),
        (ALTERNATES, False),
        (LAST_LINE, True),  # it reads no instructions at all: nothing to gain
        (None, True),  # the engine has its own ways
        ("{{ bos_token }}" + PLAIN, True),
    ],
)
def test_the_template_is_asked(tmp_path: Path, template: str | None, knows: bool) -> None:
    assert knows_system_role(model_folder(tmp_path, template), {}) is knows


def test_a_template_that_always_refuses_is_one_error(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "{{ raise_exception('not\ntoday') }}")
    with pytest.raises(InputError, match=r"its chat template refuses every chat: not today$"):
        knows_system_role(folder, {})


@pytest.mark.parametrize("template", ["{% if %}", "{{ messages.__class__.__mro__ }}", "{{ 1 / 0 }}"])
def test_a_broken_or_prying_template_is_an_error_too(tmp_path: Path, template: str) -> None:
    with pytest.raises(InputError, match="refuses every chat"):
        knows_system_role(model_folder(tmp_path, template), {})


def test_arguments_reach_the_template_and_unknown_ones_are_named(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "{% if plain %}" + PLAIN + "{% else %}" + DROPS + "{% endif %}")
    assert knows_system_role(folder, {"plain": True}) is True
    assert knows_system_role(folder, {"plain": False}) is False
    with pytest.raises(InputError, match="its chat template reads no 'enable_thinking'"):
        knows_system_role(folder, {"enable_thinking": False})


@pytest.mark.parametrize("config", ["tokenizer_config.json", "chat_template.json"])
@pytest.mark.parametrize("named", [False, True])
def test_a_template_may_stand_in_a_config(tmp_path: Path, config: str, named: bool) -> None:
    listed = [{"name": "tool_use", "template": PLAIN}, {"name": "default", "template": REFUSES}]
    (tmp_path / config).write_text(json.dumps({"chat_template": listed if named else REFUSES}))
    assert knows_system_role(tmp_path, {}) is False
    (tmp_path / "chat_template.jinja").write_text(PLAIN)  # goes before
    assert knows_system_role(tmp_path, {}) is True


def test_a_folder_without_a_template_is_the_engines_business(tmp_path: Path) -> None:
    assert knows_system_role(tmp_path, {}) is True
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": [{"name": "rag", "template": ""}]}')
    assert knows_system_role(tmp_path, {}) is True


def test_special_tokens_reach_the_template(tmp_path: Path) -> None:
    template = "{% if bos_token != '<s>' or eos_token != '</s>' %}{{ raise_exception('no') }}{% endif %}" + PLAIN
    assert knows_system_role(model_folder(tmp_path, template), {}) is True


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def test_a_template_without_end_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = subprocess.run

    def sooner(command: list[str], **how: Any) -> Any:
        code = "import sys, runpy, signal; real = signal.alarm; signal.alarm = lambda seconds: real(min(seconds, 1))\n"
        code += f"runpy.run_module({command[-1]!r}, run_name='__main__')"
        return run([sys.executable, "-c", code], **how)

    monkeypatch.setattr(subprocess, "run", sooner)
    with pytest.raises(InputError, match="its chat template came to no end"):
        knows_system_role(model_folder(tmp_path, ENDLESS), {})


def test_a_template_that_swells_is_refused_the_memory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"refuses every chat: MemoryError$"):
        knows_system_role(model_folder(tmp_path, "{{ 'x' * 8000000000 }}"), {})


def test_the_template_is_rendered_without_torch(tmp_path: Path) -> None:
    model_folder(tmp_path, REFUSES)
    code = (
        "import sys; from pathlib import Path; from nerkd_local.annotate.chat_template import knows_system_role\n"
        f"assert knows_system_role(Path({str(tmp_path)!r}), {{}}) is False and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def settings(model: Path, **changes: Any) -> AnnotatorSettings:
    values: dict[str, Any] = {
        "name": "a", "engine": {"kind": "vllm", "model": model}, "labels": {"PER": "people"}
    }  # fmt: skip
    return AnnotatorSettings(**values | changes)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's software is installed, as far as can be seen."""
    monkeypatch.setattr(annotation_folder, "is_present", lambda engine: (engine.model / "config.json").exists())
    monkeypatch.setattr(annotation_folder, "check_engine", lambda engine: None)


def roles(job: AnnotationJob) -> list[str]:
    return [message.role for message in job.question(0, DOCUMENT).full.messages]


@pytest.mark.usefixtures("here")
def test_the_setting_wins_over_the_template(tmp_path: Path) -> None:
    plain, refuses = model_folder(tmp_path / "p", PLAIN), model_folder(tmp_path / "r", REFUSES)
    assert roles(prepare_job(settings(plain))) == ["system", "user"]
    assert roles(prepare_job(settings(refuses))) == ["user"]
    assert roles(prepare_job(settings(plain, system_role=False))) == ["user"]
    assert roles(prepare_job(settings(refuses, system_role=True))) == ["system", "user"]


@pytest.mark.usefixtures("here")
def test_where_the_instructions_stand_is_part_of_the_identity(tmp_path: Path) -> None:
    plain = model_folder(tmp_path / "p", PLAIN)
    merged, split = (prepare_job(settings(plain, system_role=role)).identity() for role in (False, True))
    assert merged == {**split, "system_role": False}
    assert "system_role" not in split
    assert prepare_job(settings(plain)).identity() == split


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("template", [PLAIN, REFUSES])
def test_a_finished_export_stands_where_the_template_is_gone(tmp_path: Path, template: str) -> None:
    model = model_folder(tmp_path / "model", template)
    write_documents(tmp_path / "corpus.jsonl", [DOCUMENT])
    engine = ScriptedCompleter(lambda text: ("PER\tAnn", "stop"))
    ledger = annotate_folder(tmp_path / "corpus.jsonl", tmp_path / "out", settings(model), engine)
    for file in model.iterdir():
        file.unlink()
    asked = settings(model)
    assert roles(prepare_job(asked)) == ["system", "user"]  # not known: as good as any, it is not asked
    idle = ScriptedCompleter(lambda text: ("NONE", "stop"))
    assert annotate_folder(tmp_path / "corpus.jsonl", tmp_path / "out", asked, idle) == ledger
    assert not idle.used


def test_a_servers_template_is_taken_to_know_it_unless_told_otherwise(tmp_path: Path) -> None:
    server = {"kind": "openai", "base_url": "http://127.0.0.1:8000/v1", "model": "m"}
    assert roles(prepare_job(settings(tmp_path, engine=server))) == ["system", "user"]
    assert roles(prepare_job(settings(tmp_path, engine=server, system_role=False))) == ["user"]


def test_recorded_answers_need_no_template(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(json.dumps({"text": "Ann left", "answer": "PER\tAnn"}))
    replayed = settings(tmp_path, engine={"kind": "replay", "answers": tmp_path / "answers.jsonl"}, system_role=False)
    write_documents(tmp_path / "corpus.jsonl", [Document("d", "Ann left", ())])
    with LazyEngine(replayed.engine) as engine:
        ledger = annotate_folder(tmp_path / "corpus.jsonl", tmp_path / "out", replayed, engine)
    assert ledger["sentences"]["annotated"] == 1
