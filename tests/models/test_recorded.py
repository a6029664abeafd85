"""Every kind of run with an annotator records its model's hash; those with a student have theirs beside their tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.engines import start
from nerkd_local.annotate.engines.start import engine_identity, start_engine
from nerkd_local.annotate.settings import AnnotatorSettings, ServeSettings, VllmSettings
from nerkd_local.config.folders import models_folder
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.files import read_json
from nerkd_local.models.manifest import find_model
from nerkd_local.settings import make_settings
from nerkd_local.store.answers import AnswerStore
from nerkd_local.tune.trial import try_candidate
from tests.models.folders import copy_annotator
from tests.tune.searches import annotator, quiet, sentences

MODEL = models_folder("demo-annotator")


@pytest.fixture(autouse=True)
def _vllm_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here starts it; a model is read only where it could be."""
    monkeypatch.setattr(start, "vllm_version", lambda: "vllm 0.0")
    monkeypatch.setattr(start, "_has_client", lambda: True)


@pytest.mark.parametrize("settings", [VllmSettings(model=MODEL), ServeSettings(kind="serve", model=MODEL)])
def test_an_engine_is_known_by_the_hash_in_the_models_manifest(settings: VllmSettings | ServeSettings) -> None:
    entry = find_model(MODEL)
    assert entry is not None
    assert engine_identity(settings)["model_sha256"] == entry.sha256


@pytest.mark.parametrize("file", ["README.md", "chat_template.jinja", "config.json", "model.safetensors"])
def test_another_byte_in_any_file_is_another_model(file: str, tmp_path: Path) -> None:
    folder = copy_annotator(tmp_path / "model")
    before = engine_identity(VllmSettings(model=folder))
    with (folder / file).open("ab") as stream:
        stream.write(b" ")
    assert engine_identity(VllmSettings(model=folder)) != before


def test_annotations_and_trials_of_a_search_carry_it(tmp_path: Path) -> None:
    gold = sentences(4)
    write_documents(tmp_path / "corpus.jsonl", gold)
    settings = make_settings(AnnotatorSettings, **annotator("capitals") | {"engine": VllmSettings(model=MODEL)})
    scripted = start_engine(make_settings(AnnotatorSettings, **annotator("capitals")).engine)
    try_candidate(tmp_path / "corpus.jsonl", tmp_path, settings, scripted, [], gold, seed=0, say=quiet)
    entry = find_model(MODEL)
    assert entry is not None
    runs: list[Any] = [
        read_json(tmp_path / "ledger.json")["inputs"]["run"],
        read_json(tmp_path / "trial-4.json")["inputs"]["run"],
    ]
    with AnswerStore(tmp_path / "answers.sqlite", read_only=True) as store:
        runs += store.runs().values()
    assert [run["engine"]["model_sha256"] for run in runs] == [entry.sha256] * 3
