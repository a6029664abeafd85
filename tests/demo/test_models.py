"""The two shipped models: whole, small, safe to load, and told of a sentence as the project tells it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.chat_template import knows_system_role
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.settings import AnnotatorSettings, VllmSettings
from nerkd_local.config.folders import configs_folder, models_folder
from nerkd_local.demo.corpus import LABELS, write_sentences
from nerkd_local.files import read_json
from nerkd_local.models.manifest import read_models
from nerkd_local.models.verify import strangers, verify_models
from nerkd_local.settings import load_settings

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
FOLDERS = {"demo-annotator": 12_000_000, "demo-student": 5_000_000}
"""And the most bytes each may have."""


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return models_folder(request.param)


@pytest.fixture(scope="module")
def annotator() -> Any:
    return load_tokenizer("demo-annotator")


@pytest.fixture(scope="module")
def student() -> Any:
    return load_tokenizer("demo-student")


def load_tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODELS / name)


def test_the_models_are_what_was_taken_in() -> None:
    entries = read_models(MODELS)
    assert set(entries) == set(FOLDERS)
    assert [each.problems for each in verify_models(MODELS)] == [(), ()]
    assert strangers(MODELS) == []
    assert {name: (each.role, each.licence) for name, each in entries.items()} == {
        "demo-annotator": ("annotator", "Apache-2.0"),
        "demo-student": ("student", "Apache-2.0"),
    }
    assert [each.origin for each in entries.values()] == [
        "made by scripts/build_demo_annotator.py",
        "made by scripts/build_demo_student.py",
    ]


def test_the_sums_name_every_file_and_its_hash() -> None:
    listed = dict(reversed(line.split("  ", 1)) for line in (MODELS / "SHA256SUMS").read_text().splitlines())
    there = {f"{name}/{path.name}": path for name in FOLDERS for path in (MODELS / name).iterdir()}
    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()}


def test_a_folder_is_small_flat_and_holds_nothing_that_runs(folder: Path) -> None:
    files = list(folder.iterdir())
    assert sum(path.stat().st_size for path in files) < FOLDERS[folder.name]
    assert {path.suffix for path in files} <= {".json", ".jinja", ".safetensors", ".md"}
    assert "auto_map" not in read_json(folder / "config.json")


def test_the_readme_says_what_the_model_is_not(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert "## What it is not" in text
    assert f"scripts/build_{folder.name.replace('-', '_')}.py" in text


def test_the_kinds_of_model() -> None:
    annotator, student = (read_json(models_folder(name) / "config.json") for name in ("demo-annotator", "demo-student"))
    assert (annotator["architectures"], annotator["dtype"]) == (["LlamaForCausalLM"], "bfloat16")
    assert student["architectures"] == ["BertModel"]


def test_the_shipped_settings_fit_the_annotator_and_the_corpus() -> None:
    settings = load_settings(AnnotatorSettings, configs_folder("annotators") / "demo.yaml")
    assert isinstance(settings.engine, VllmSettings)
    assert ROOT / settings.engine.model == models_folder("demo-annotator")
    assert tuple(settings.labels) == LABELS
    assert (
        settings.engine.max_model_len == read_json(MODELS / "demo-annotator" / "config.json")["max_position_embeddings"]
    )


@pytest.mark.parametrize("system_role", [True, False])
def test_the_chat_template_leaves_the_sentence_twice_and_nothing_else(annotator: Any, system_role: bool) -> None:
    document, *examples = write_sentences("scored", 3, 0)
    prompt = Prompt(
        "standard", dict.fromkeys(LABELS, "some"), answer_format("lines"), examples, system_role=system_role
    )
    chat = [{"role": message.role, "content": message.content} for message in prompt.messages(document)]
    rendered = annotator.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert rendered == f"<|text|>{document.text}<|again|>{document.text}<|answer|>"
    ids = annotator.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    assert annotator.decode(ids) == rendered
    # each of the marks is one token, and ends nothing early
    special = [
        token for token in ids if token in annotator.all_special_ids or annotator.decode([token]).startswith("<|")
    ]
    assert annotator.convert_ids_to_tokens(special) == ["<|text|>", "<|again|>", "<|answer|>"]


def test_no_chat_is_refused_and_instructions_reach_it_in_neither_role() -> None:
    assert knows_system_role(models_folder("demo-annotator"), {})  # see there: it drops them from both


@given(st.text())
def test_every_text_has_tokens_and_comes_back(annotator: Any, text: str) -> None:
    ids = annotator.encode(text, add_special_tokens=False)
    assert annotator.decode(ids, clean_up_tokenization_spaces=False) == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_the_student_knows_every_printable_character_of_ascii(student: Any, text: str) -> None:
    assert student.unk_token_id not in student.encode(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_its_script_makes_such_a_folder(name: str, tmp_path: Path) -> None:
    script = ROOT / "scripts" / f"build_{name.replace('-', '_')}.py"
    made = tmp_path / "made"
    made.mkdir()
    (made / "README.md").write_text("stays")
    (made / "older").write_text("goes")
    command = [sys.executable, str(script), "--steps", "2", "--batch", "4", "--output", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    shipped = models_folder("demo-annotator" if name == "demo-annotator" else "demo-student")
    assert {path.name for path in made.iterdir()} == {path.name for path in shipped.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == {"made", "manifest.json", "SHA256SUMS", ".lock"}
    entry = read_models(tmp_path)["made"]
    assert (entry.role, entry.origin) == (name.removeprefix("demo-"), read_models(MODELS)[name].origin)
    assert [each.problems for each in verify_models(tmp_path)] == [()]
    assert (made / "README.md").read_text() == "stays"
    # the vocabulary is a function of the made-up news alone, so the shipped one comes out again
    assert read_json(made / "tokenizer.json") == read_json(shipped / "tokenizer.json")
    assert read_json(made / "config.json") == read_json(shipped / "config.json")
