"""The self-test's vectors: what is computed here passes there, and what is not the same is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nerkd_local.bundle.create.vectors import SENTENCES, VECTORS, compute_vectors
from nerkd_local.bundle.create.wheels import read_wheel
from nerkd_local.bundle.selftest import checks, outcome, package_checks
from tests.bundle.create.packages import wheel

MODELS = Path(__file__).parents[3] / "models"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version's folder with two models and the vectors."""
    folder = tmp_path_factory.mktemp("version")
    paths = {f"models/{name}": MODELS / name for name in ("demo-annotator", "demo-student")}
    for path, model in paths.items():
        shutil.copytree(model, folder / path)
    wheels = [read_wheel(wheel(folder / "wheels", "no_such_thing", "3.0"))]
    (folder / VECTORS).write_bytes(compute_vectors(wheels, ["json", "click"], paths))
    return folder


def test_the_vectors_pass_here_but_for_the_package_that_is_not_installed(version: Path) -> None:
    vectors = json.loads((version / VECTORS).read_bytes())
    (package,) = package_checks(vectors)
    assert package.name == "package no-such-thing 3.0"
    assert "PackageNotFoundError" in str(outcome(package))
    found = {check.name: outcome(check) for check in checks(vectors, version)}
    assert found == {
        "import click": None,
        "import json": None,
        "tokens of models/demo-annotator": None,
        "chat template of models/demo-annotator": None,
        "tokens of models/demo-student": None,
        "entities by demo-student": None,
    }


def test_they_say_something(version: Path) -> None:
    vectors = json.loads((version / VECTORS).read_bytes())
    spans = [each["spans"] for each in vectors["student"]["sentences"]]
    assert sum(map(len, spans)) > 3  # an untrained head names much; every layer has a part in where
    assert len({json.dumps(each) for each in spans}) == len(SENTENCES)
    for model in vectors["models"]:
        ids = [each["ids"] for each in model["texts"]]
        assert len({json.dumps(each) for each in ids}) == len(ids)
    assert [bool(model["template"]) for model in vectors["models"]] == [True, False]


def test_they_are_the_same_each_time(version: Path) -> None:
    paths = {f"models/{name}": MODELS / name for name in ("demo-student", "demo-annotator")}
    wheels = [read_wheel(version / "wheels" / "no_such_thing-3.0-py3-none-any.whl")]
    assert compute_vectors(wheels, ["click", "json"], paths) == (version / VECTORS).read_bytes()


@pytest.mark.parametrize("damage", ["tokenizer", "template"])
def test_a_model_that_is_another_one_there_is_found(version: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(version, tmp_path / "version"))
    model = folder / "models" / "demo-annotator"
    if damage == "tokenizer":
        shutil.copy(MODELS / "demo-student" / "tokenizer.json", model / "tokenizer.json")
    else:
        (model / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    vectors = {"models": json.loads((folder / VECTORS).read_bytes())["models"]}
    failed = [check.name for check in checks(vectors, folder) if outcome(check) is not None]
    assert f"{'tokens' if damage == 'tokenizer' else 'chat template'} of models/demo-annotator" in failed
