"""Taking models in: whole and known, or not at all."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_folder
from nerkd_local.models import intake
from nerkd_local.models.intake import Facts, add_model
from nerkd_local.models.manifest import MANIFEST, SUMS, read_models
from nerkd_local.models.problems import Problem
from nerkd_local.models.verify import verify_models
from tests.models.folders import copy_annotator, copy_student, edit_json


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return copy_student(tmp_path / "disk" / "bert")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def add(source: Path, models: Path, **how: Any) -> tuple[str, Any, list[Problem]]:
    """Without the trials, which have tests of their own."""
    return add_model(source, models, **{"trials": (), **how})


def visible(models: Path) -> set[str]:
    return {path.name for path in models.iterdir() if path.name != ".lock"} if models.is_dir() else set()


def test_what_is_taken_in_is_there_whole_and_known(source: Path, models: Path) -> None:
    (source / ".cache").mkdir()
    (source / ".cache" / "evil.py").write_text("")
    (source / "onnx").mkdir()
    (source / "onnx" / "model.onnx").write_text("")
    (source / "pytorch_model.bin").write_text("")
    facts = Facts(licence="MIT", origin="a disk", revision="7")
    name, model, notes = add(source, models, name="my-bert", facts=facts, leave_out=["onnx/*", "*.bin"])
    assert (name, notes) == ("my-bert", [])
    assert read_models(models) == {"my-bert": model}
    assert (model.role, model.model_type, model.architectures) == ("student", "bert", ("BertModel",))
    assert (model.licence, model.origin, model.revision) == ("MIT", "a disk", "7")
    assert model.left_out == ("onnx/*", "*.bin")
    assert model.sha256 == digest_folder(models / "my-bert")  # what runs record
    assert visible(models) == {"my-bert", MANIFEST, SUMS}
    assert {path.name for path in (models / "my-bert").iterdir()} == set(model.files)
    for file in model.files:
        assert (models / "my-bert" / file).read_bytes() == (source / file).read_bytes()
        assert (models / "my-bert" / file).stat().st_mode & 0o777 == 0o644
    assert (models / "my-bert").stat().st_mode & 0o777 == 0o755
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=models, check=True)


def test_every_reason_is_told_at_once_and_nothing_stays(source: Path, models: Path) -> None:
    edit_json(source / "config.json", auto_map={"AutoModel": "a.B"})
    (source / "modeling.py").write_text("")
    (source / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(InputError) as caught:
        add(source, models)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{source}: is not taken in: 3 problems"
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["modeling.py", "config.json", "model.safetensors"]
    assert lines[4:] == ["  to leave out what nothing here reads: --leave-out modeling.py"]
    assert visible(models) == set()


def test_a_disk_that_gives_other_bytes_the_second_time_is_found(
    source: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = intake._copy

    def other(source: Path, target: Path) -> Any:
        if source.name == "config.json":
            edit_json(source, auto_map={"AutoModel": "a.B"})
        return copy(source, target)

    monkeypatch.setattr(intake, "_copy", other)
    with pytest.raises(InputError, match="has the key auto_map"):
        add(source, models)
    assert visible(models) == set()


def test_what_a_maker_ships_beside_a_model_is_left_out_by_one_line(source: Path, models: Path) -> None:
    beside = [
        "original/params.json", "original/consolidated.00.pth", "original/tokenizer.model", "onnx/model.onnx",
        "onnx/fp16/model.onnx", "1_Pooling/config.json", "pytorch_model.bin", "modules.json", "figures/one.png",
        "consolidated.safetensors", "params.json", "SYSTEM_PROMPT.txt", "model.gguf",
    ]  # fmt: skip
    for name in beside:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("x")
    shutil.copy(source / "model.safetensors", source / "consolidated.safetensors")
    with pytest.raises(InputError) as caught:
        add(source, models)
    told = shlex.split(str(caught.value).splitlines()[-1].partition(": ")[2])
    patterns = [each for each in told if each != "--leave-out"]
    assert patterns == [
        "1_Pooling/*", "SYSTEM_PROMPT.txt", "figures/*", "model.gguf", "modules.json", "onnx/*", "original/*",
        "params.json", "pytorch_model.bin", "consolidated.safetensors",
    ]  # fmt: skip
    _, model, _ = add(source, models, leave_out=patterns)
    assert not set(model.files) & set(beside)


def test_what_only_a_trial_finds_leaves_nothing_either(
    source: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []

    def trial(folder: Path, role: str, parts: object) -> list[Problem]:
        tried.append(folder)
        assert {path.name for path in folder.iterdir()} == {path.name for path in source.iterdir()}
        return [
            Problem("load", "note", ".", "odd", "look"),
            Problem("load", "broken", ".", f"{folder}: cannot be loaded", "take another"),
        ]

    monkeypatch.setattr(intake, "try_out", trial)
    with pytest.raises(InputError, match=rf"{source}: cannot be loaded; take another") as caught:
        add_model(source, models)
    assert tried[0].parent == models  # the copy, before it has its name
    assert tried[0].name not in str(caught.value)
    assert visible(models) == set()


def test_the_same_again_changes_only_what_is_said_of_it(source: Path, models: Path) -> None:
    add(source, models, facts=Facts(licence="MIT", origin="a disk"), leave_out=["*.onnx"])
    before = {path: path.stat().st_ino for path in (models / "bert").iterdir()}
    _, model, _ = add(source, models, facts=Facts(origin="another disk"))
    assert (model.licence, model.origin, model.left_out) == ("MIT", "another disk", ("*.onnx",))
    assert {path: path.stat().st_ino for path in (models / "bert").iterdir()} == before


def test_another_model_of_the_same_name_is_refused(source: Path, models: Path) -> None:
    add(source, models)
    (source / "vocab.txt").write_text("new")
    with pytest.raises(InputError, match="is there already, with other files"):
        add(source, models)
    assert [each.problems for each in verify_models(models)] == [()]
    assert add(source, models, name="bert-2")[0] == "bert-2"
    assert list(read_models(models)) == ["bert", "bert-2"]


def test_in_place_nothing_is_copied(source: Path, models: Path) -> None:
    shutil.copytree(source, models / "bert")
    name, model, _ = add(models / "bert", models, in_place=True)
    assert (name, model.sha256) == ("bert", digest_folder(models / "bert"))
    (models / "bert" / "README.md").write_text("---\nlicense: mit\n---\nchanged\n")
    _, changed, _ = add(models / "bert", models, in_place=True)
    assert changed.sha256 != model.sha256
    assert changed.licence == "MIT"
    with pytest.raises(InputError, match="without --in-place it is copied there"):
        add(source, models, in_place=True)
    with pytest.raises(InputError, match="nothing can be left out of a folder in place"):
        add(models / "bert", models, in_place=True, leave_out=["*.md"])


@pytest.mark.parametrize(
    "name", ["..", "", "a/b", "-x", ".hidden", "manifest.json", "sha256sums", "README.md", "a b", "x."]
)
def test_names_that_no_folder_in_models_may_have(name: str, source: Path, models: Path) -> None:
    with pytest.raises(InputError, match="cannot name a model") as caught:
        add(source.rename(source.parent / "..x"), models, name=name or None)
    assert "--name" in str(caught.value)


def test_the_role_may_be_said(tmp_path: Path, models: Path) -> None:
    source = copy_annotator(tmp_path / "llm")
    assert add(source, models)[1].role == "annotator"
    assert "vllm" in read_models(models)["llm"].checked_with
    assert add(source, models, facts=Facts(role="student"))[1].role == "student"


def test_too_small_a_disk_is_said_before_anything_is_copied(
    source: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(InputError, match=r"has 0\.0 GiB free, and the model needs 0\.0 GiB"):
        add(source, models)
    assert visible(models) == set()


def test_no_such_folder(tmp_path: Path, models: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        add(tmp_path / "none", models)
    assert not models.exists()


@pytest.mark.parametrize("moment", ["_copy 1", "_copy 3", "_tried 1", "_entry 1", "write_models 1", "write_text 1"])
def test_a_killed_intake_leaves_nothing_that_counts_and_the_next_one_completes(
    moment: str, source: Path, models: Path, tmp_path: Path
) -> None:
    other = copy_annotator(tmp_path / "other")
    add(other, models)
    name, _, count = moment.partition(" ")
    place = "manifest" if name == "write_text" else "intake"
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        f"from nerkd_local.models import {place} as module\n"
        "from nerkd_local.models.intake import add_model\n"
        f"real, left = module.{name}, {count}\n"
        "def killed(*given, **named):\n"
        "    global left\n"
        "    left -= 1\n"
        "    if not left:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*given, **named)\n"
        f"module.{name} = killed\n"
        "add_model(Path(sys.argv[1]), Path(sys.argv[2]), trials=())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, source, models], check=False)
    assert done.returncode == -signal.SIGKILL
    there = set(read_models(models))
    assert there == ({"other", "bert"} if name == "write_text" else {"other"})
    assert not verify_models(models, ["other"])[0].problems
    if name == "_copy":
        assert not (models / "bert").exists()
    add(source, models)
    assert {each.name: each.problems for each in verify_models(models)} == {"other": (), "bert": ()}
    assert visible(models) == {"other", "bert", MANIFEST, SUMS}


@pytest.mark.slow
def test_a_real_encoder_is_taken_in_without_what_sentence_transformers_needs(encoder: Path, models: Path) -> None:
    with pytest.raises(InputError) as caught:
        add_model(encoder, models, name="minilm")
    told = str(caught.value).rpartition(": ")[2].split()
    leave_out = [pattern.strip("'") for pattern in told if pattern != "--leave-out"]
    _, model, notes = add_model(encoder, models, name="minilm", leave_out=leave_out)
    assert (model.licence, notes) == ("Apache-2.0", [])
    assert set(model.files) == {
        "README.md", "config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json",
        "tokenizer_config.json", "vocab.txt",
    }  # fmt: skip
    assert json.loads((models / MANIFEST).read_text())["models"]["minilm"]["sha256"] == digest_folder(models / "minilm")
