"""The manifest of the models: strict to read, the same for the same models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_folder, digest_hashes
from nerkd_local.models.manifest import MANIFEST, SUMS, Model, ModelFile, find_model, read_models, write_models

HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
FILES = st.dictionaries(st.from_regex(r"[a-z]{1,6}\.json", fullmatch=True), HASHES, min_size=1, max_size=4)


def entry(files: dict[str, str]) -> Model:
    return Model(
        role="student", model_type="bert", architectures=("BertModel",), licence=None, origin=None, revision=None,
        sha256=digest_hashes({name: files[name] for name in sorted(files)}), checked_with={"vllm": None},
        files={name: ModelFile(size=3, sha256=sha256) for name, sha256 in files.items()},
    )  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True), FILES, max_size=3))
def test_what_is_written_is_read_back_in_one_order(
    tmp_path_factory: pytest.TempPathFactory, described: dict[str, dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("models")
    models = {name: entry(files) for name, files in described.items()}
    write_models(folder, models)
    first = (folder / MANIFEST).read_bytes()
    assert read_models(folder) == models
    write_models(folder, dict(reversed(models.items())))
    assert (folder / MANIFEST).read_bytes() == first
    lines = (folder / SUMS).read_text().splitlines()
    assert sorted(lines) == sorted(
        f"{sha}  {name}/{file}" for name in described for file, sha in described[name].items()
    )


def test_no_manifest_is_no_models(tmp_path: Path) -> None:
    assert read_models(tmp_path) == {}
    assert find_model(tmp_path / "x") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nerkd_models": 2}, "nerkd_models"),
        ({"models": {"../x": None}}, "cannot name a model"),
        ({"models": {"manifest.json": None}}, "cannot name a model"),
        ({"more": 1}, "more"),
    ],
)
def test_a_manifest_that_is_none_is_refused(change: dict[str, object], said: str, tmp_path: Path) -> None:
    write_models(tmp_path, {"x": entry({"a.json": "0" * 64})})
    content = json.loads((tmp_path / MANIFEST).read_text())
    models = change.get("models")
    if isinstance(models, dict):
        change = {"models": dict.fromkeys(models, content["models"]["x"])}
    (tmp_path / MANIFEST).write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=said):
        read_models(tmp_path)


@pytest.mark.parametrize("name", ["../a.json", "/etc/passwd", "a//b", "a/./b", "", "a\nb"])
def test_a_manifest_names_no_file_outside_its_models(name: str, tmp_path: Path) -> None:
    write_models(tmp_path, {"x": entry({"a.json": "0" * 64})})
    content = json.loads((tmp_path / MANIFEST).read_text())
    content["models"]["x"]["files"] = {name: content["models"]["x"]["files"]["a.json"]}
    content["models"]["x"]["sha256"] = digest_hashes({name: "0" * 64})
    (tmp_path / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(InputError, match="is no path below a model's folder"):
        read_models(tmp_path)


def test_the_hash_of_a_model_must_be_that_of_its_files(tmp_path: Path) -> None:
    write_models(tmp_path, {"x": entry({"a.json": "0" * 64})})
    text = (tmp_path / MANIFEST).read_text()
    (tmp_path / MANIFEST).write_text(text.replace("0" * 64, "1" * 64))
    with pytest.raises(InputError, match="the hash of x is not that of its files"):
        read_models(tmp_path)


def test_a_model_is_found_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = entry({"a.json": "0" * 64})
    write_models(tmp_path / "models", {"x": model})
    assert find_model(tmp_path / "models" / "x") == model
    assert find_model(tmp_path / "models" / "y" / ".." / "x") == model
    assert find_model(tmp_path / "models" / "y") is None
    monkeypatch.chdir(tmp_path / "models")
    assert find_model(Path("x")) == model


@given(FILES)
def test_the_hash_is_the_one_that_runs_record(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    from hashlib import sha256

    folder = tmp_path_factory.mktemp("x")
    for name, text in files.items():
        (folder / name).write_text(text)
    assert digest_folder(folder) == digest_hashes(
        {name: sha256(files[name].encode()).hexdigest() for name in sorted(files)}
    )
