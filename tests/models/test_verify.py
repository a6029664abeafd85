"""Models that are not what was taken in are found, each by what happened to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.models.intake import add_model
from nerkd_local.models.manifest import SUMS
from nerkd_local.models.verify import strangers, verify_models
from tests.models.folders import copy_student


@pytest.fixture
def models(tmp_path: Path) -> Path:
    add_model(copy_student(tmp_path / "bert"), tmp_path / "models", trials=())
    return tmp_path / "models"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def lead_away(path: Path) -> None:
    copy = path.parent.parent / "elsewhere"
    path.rename(copy)
    path.symlink_to(copy)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit": (lambda folder: flip(folder / "model.safetensors"), "model.safetensors: has other content"),
    "a bit of a small file": (lambda folder: flip(folder / "README.md"), "README.md: has other content"),
    "cut off": (lambda folder: (folder / "config.json").write_text("{}"), "config.json: has 2 bytes, not 666"),
    "gone": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json: is not there"),
    "added": (lambda folder: (folder / "x.py").write_text(""), "x.py: was not taken in, and is there"),
    "a link with the same content": (lambda folder: lead_away(folder / "config.json"), "no regular file any more"),
    "all gone": (lambda folder: folder.rename(folder.parent / ".away"), "bert: is not there"),
}


def test_what_is_as_it_was_has_no_problems(models: Path) -> None:
    (found,) = verify_models(models)
    assert (found.name, found.files, found.problems) == ("bert", 5, ())
    assert verify_models(models, ["bert", "bert"]) == [found]


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named(damage: Callable[[Path], object], said: str, models: Path) -> None:
    damage(models / "bert")
    (found,) = verify_models(models)
    assert len(found.problems) == 1
    assert said in found.problems[0]


def test_sums_that_say_something_else_are_found(models: Path) -> None:
    text = (models / SUMS).read_text()
    (models / SUMS).write_text(text.replace(text[:64], "0" * 64))
    assert verify_models(models)[0].problems == (f"{SUMS}: does not agree with manifest.json on bert/README.md",)
    (models / SUMS).unlink()
    assert len(verify_models(models)[0].problems) == 5


def test_folders_that_were_never_taken_in_are_named(models: Path) -> None:
    assert strangers(models) == []
    (models / "other").mkdir()
    assert strangers(models) == ["other"]


def test_there_must_be_a_manifest_and_the_name_in_it(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no model 'brt' \(did you mean 'bert'\?\)"):
        verify_models(models, ["brt"])
    with pytest.raises(InputError, match="`nerkd models add` takes models in"):
        verify_models(tmp_path)
