"""`nerkd models`: lines and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import nerkd, refused
from tests.models.folders import copy_annotator, copy_student, edit_json


@pytest.mark.slow
def test_a_model_is_taken_in_listed_verified_and_found_changed(tmp_path: Path) -> None:
    source, models = copy_student(tmp_path / "bert"), tmp_path / "models"
    done = nerkd("models", "add", source, "--models", models, "--licence", "MIT", "--revision", "abc")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["copying 4 MiB"]
    shown = done.stdout
    assert shown.splitlines()[:3] == [
        "bert: student, BertModel, 3.9 MiB in 5 files",
        "  licence  MIT",
        "  origin   unknown (nerkd models add --origin), revision abc",
    ]
    done = nerkd("models", "list", "--models", models)
    assert (done.returncode, done.stdout) == (0, shown)
    done = nerkd("models", "list", "--models", models, "--json")
    assert json.loads(done.stdout)["bert"]["revision"] == "abc"
    (models / "other").mkdir()
    done = nerkd("models", "verify", "--models", models)
    assert (done.returncode, done.stdout) == (0, "bert: 5 files, 3.9 MiB, as taken in\n")
    assert done.stderr.startswith("note: other: was never taken in (nerkd models add ")
    (models / "bert" / "config.json").write_text("{}")
    done = nerkd("models", "verify", "bert", "--models", models)
    assert (done.returncode, done.stdout) == (4, "bert: 5 files, 3.9 MiB, 1 problem\n")
    assert done.stderr.splitlines() == ["nerkd: 1 problem", "bert/config.json: has 2 bytes, not 666"]


def test_a_folder_is_refused_with_all_reasons(tmp_path: Path) -> None:
    source = copy_annotator(tmp_path / "llm")
    (source / "modeling.py").write_text("")
    edit_json(source / "config.json", auto_map={})
    done = nerkd("models", "add", source, "--models", tmp_path / "models")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"nerkd: {source}: is not taken in: 2 problems"
    assert len(done.stderr.splitlines()) == 4
    assert not (tmp_path / "models").exists()


def test_nothing_to_list_and_nothing_to_verify(tmp_path: Path) -> None:
    done = nerkd("models", "list", "--models", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    refused(nerkd("models", "verify", "--models", tmp_path), "holds no manifest.json")
    refused(nerkd("models", "add", tmp_path / "none", "--models", tmp_path), "no such folder")
