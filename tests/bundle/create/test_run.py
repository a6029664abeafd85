"""From a spec to a bundle: the whole way, with packages made on the spot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.bundle.create import run
from nerkd_local.bundle.create.run import Created, create_bundle, describe_created
from nerkd_local.bundle.create.spec import BundleSettings
from nerkd_local.bundle.manifest import MANIFEST
from nerkd_local.bundle.refusals import BadSignature
from nerkd_local.bundle.verify import verify
from nerkd_local.errors import InputError
from tests.bundle.create.packages import lock, project, source_archive, wheel
from tests.bundle.samples import Keys, make_bundle, tree

MODELS = Path(__file__).parents[3] / "models"


class Inputs:
    """Everything that a small bundle is made of, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shelf = folder / "shelf"
        builds = wheel(shelf, "builds")
        pure = wheel(shelf, "pure", metadata="License-Expression: MIT\n")
        sourced = source_archive(shelf, "sourced")
        (folder / "corpus").mkdir()
        (folder / "corpus" / "dev.txt").write_text("Anna met Ben in Oslo.\n")
        self.toolkit = project(folder / "checkout", "nerkd_local", "0.1")
        self.values: dict[str, Any] = {
            "name": "sample",
            "created": "2026-01-02T03:04:05Z",
            "toolkit": self.toolkit,
            "lock": lock(folder / "lock.txt", pure, sourced),
            "build_lock": lock(folder / "build.txt", builds),
            "build": ["sourced"],
            "target": {"accelerator": "cpu"},
            "imports": ["json"],
            "models": [{"path": shutil.copytree(MODELS / "demo-student", folder / "demo-student"), "licence": "MIT"}],
            "data": [{"path": folder / "corpus"}],
        }

    def create(self, output: Path, key: Path, cache: Path | None = None, **more: Any) -> Created:
        settings = BundleSettings.model_validate(self.values | more.pop("spec", {}))
        return create_bundle(settings, key, output, cache=cache or self.folder / "cache", **more)


@pytest.fixture
def inputs(tmp_path: Path, registry: Callable[[Path], None]) -> Inputs:
    made = Inputs(tmp_path / "inputs")
    registry(made.folder / "shelf")
    return made


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that load no model: they have their own tests."""
    monkeypatch.setattr(run, "compute_vectors", lambda wheels, imports, models: json.dumps([*models]).encode())


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bundle_in_another_place_time_and_umask(
    tmp_path: Path, inputs: Inputs, keys: Keys, registry: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = inputs.create(tmp_path / "one", keys.private)
    moved = Inputs(tmp_path / "moved")
    registry(moved.folder / "shelf")
    for path in moved.folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    monkeypatch.chdir(moved.folder)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    mask = os.umask(0o077)
    try:
        second = moved.create(Path("two"), keys.private, cache=Path("fresh"))
    finally:
        os.umask(mask)
    assert second.written.manifest.root_hash == first.written.manifest.root_hash
    assert tree(tmp_path / "one") == tree(Path("two"))
    verify(tmp_path / "one", keys.public)
    paths = {file.path: file.kind for file in first.written.manifest.files}
    assert {path: kind for path, kind in paths.items() if kind != "model"} == {
        "data/corpus/dev.txt": "data",
        "requirements.txt": "lock",
        "sbom.cdx.json": "sbom",
        "selftest.json": "vectors",
        "wheels/nerkd_local-0.1-py3-none-any.whl": "wheel",
        "wheels/pure-1.0-py3-none-any.whl": "wheel",
        "wheels/sourced-1.0-py3-none-any.whl": "wheel",
    }
    assert first.unlicensed == ["nerkd-local", "sourced", "data/corpus"]
    content = b"".join(path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.suffix == ".json")
    assert str(tmp_path).encode() not in content


@pytest.mark.usefixtures("vectors", "this_pip")
def test_bundles_follow_each_other(tmp_path: Path, inputs: Inputs, keys: Keys) -> None:
    first = inputs.create(tmp_path / "one", keys.private).written
    (inputs.folder / "corpus" / "dev.txt").write_text("Ben met Anna in Oslo.\n")
    delta = inputs.create(tmp_path / "two", keys.private, after=tmp_path / "one").written
    assert (first.manifest.sequence, delta.manifest.sequence) == (1, 2)
    assert delta.manifest.base is not None
    assert delta.manifest.base.root_hash == first.manifest.root_hash
    carried = {file.path for file in delta.manifest.files if delta.manifest.by_hash[file.sha256].carried}
    assert carried == {"data/corpus/dev.txt", "sbom.cdx.json"}
    # over a delta: what the first bundle brought is not brought again
    third = inputs.create(tmp_path / "three", keys.private, after=tmp_path / "two", spec={"sequence": 7}).written
    assert third.manifest.sequence == 7
    assert third.carried_bytes < delta.carried_bytes
    full = inputs.create(tmp_path / "four", keys.private, after=tmp_path / "three", full=True).written
    assert (full.manifest.sequence, full.manifest.base) == (8, None)
    assert full.carried_bytes > first.carried_bytes // 2 > 10 * delta.carried_bytes
    said = describe_created(inputs.create(tmp_path / "two", keys.private, after=tmp_path / "one"), keys.private)
    assert f"after 1 ({first.manifest.root_hash[:12]})" in said
    assert "it was there already, and is the same" in said
    for words in (
        f"root hash  {delta.manifest.root_hash}",
        "licence    not said by",
        "verify",
        "3 packages, 5 model files, 1 data file\n",
    ):
        assert words in said


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "other"}, "the spec is of 'other' and the earlier bundle of 'sample'"),
        ({"sequence": 3}, "`sequence` is 3, and the earlier bundle's is 3"),
        ({"sequence": 1}, "leave it out, or give a higher one"),
    ],
)
def test_a_bundle_that_cannot_follow(
    tmp_path: Path, inputs: Inputs, keys: Keys, spec: dict[str, Any], message: str
) -> None:
    make_bundle(tmp_path / "earlier", keys, sequence=3)
    with pytest.raises(InputError, match=message):
        inputs.create(tmp_path / "out", keys.private, after=tmp_path / "earlier", spec=spec)
    assert not (inputs.folder / "cache").exists()  # found before anything was fetched


def test_an_earlier_bundle_must_be_signed_by_the_same_key(tmp_path: Path, inputs: Inputs, keys: Keys) -> None:
    other = Keys(tmp_path, "other")
    make_bundle(tmp_path / "earlier", other)
    with pytest.raises(BadSignature, match="not signed with this key"):
        inputs.create(tmp_path / "out", keys.private, after=tmp_path / "earlier")
    make_bundle(tmp_path / "mine", keys)
    manifest = tmp_path / "mine" / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"sequence":1', b'"sequence":2'))
    with pytest.raises(BadSignature):
        inputs.create(tmp_path / "out", keys.private, after=tmp_path / "mine")
    make_bundle(tmp_path / "results", keys, kind="results")
    with pytest.raises(InputError, match="is a bundle of results"):
        inputs.create(tmp_path / "out", keys.private, after=tmp_path / "results")
    with pytest.raises(InputError, match="no such file"):
        inputs.create(tmp_path / "out", keys.private, after=tmp_path / "nowhere")


def test_what_is_wrong_is_found_before_anything_is_fetched(tmp_path: Path, inputs: Inputs, keys: Keys) -> None:
    rsa = tmp_path / "rsa.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", rsa], check=True, capture_output=True)
    for key, spec, message in [
        (rsa, {}, "no ed25519 private key"),
        (keys.public, {}, "no ed25519 private key"),
        (keys.private, {"data": [{"path": tmp_path / "nowhere"}]}, "no such file or folder"),
        (keys.private, {"documents": [tmp_path / "nowhere"]}, "no such file or folder"),
        (keys.private, {"created": None}, "set `created` in the spec"),
        (keys.private, {"toolkit": tmp_path}, "neither a wheel nor a checkout"),
        (keys.private, {"toolkit": rsa, "created": None}, "neither a wheel nor a checkout"),
        (keys.private, {"toolkit": tmp_path / "none-1-py3-none-any.whl"}, "no such file"),
        (keys.private, {"documents": [rsa]}, "holds a private key"),
        (keys.private, {"wheels": [tmp_path / "nowhere"]}, "names folders of ready wheels"),
    ]:
        with pytest.raises(InputError, match=message):
            inputs.create(tmp_path / "out", key, spec=spec)
        assert not (inputs.folder / "cache").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("vectors", "this_pip")
def test_a_module_that_nothing_brings_along_is_not_asked_for_on_the_closed_side(
    tmp_path: Path, inputs: Inputs, keys: Keys
) -> None:
    imports = ["json.decoder", "pure", "sourced", "nerkd_local.cli", "torhc"]
    with pytest.raises(InputError, match="`imports` names torhc, which no package"):
        inputs.create(tmp_path / "out", keys.private, spec={"imports": imports})
    inputs.create(tmp_path / "out", keys.private, spec={"imports": imports[:-1]})
