"""What goes in from the spec's folders, and what is kept out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.bundle.create.contents import find_parts, find_plain, models_manifest, wheel_sources
from nerkd_local.bundle.create.spec import BundleSettings
from nerkd_local.bundle.create.wheels import read_wheel
from nerkd_local.errors import InputError
from nerkd_local.models.manifest import read_models
from nerkd_local.models.verify import verify_models
from tests.bundle.create.packages import wheel
from tests.bundle.samples import Keys

MODELS = Path(__file__).parents[3] / "models"


def spec(**more: Any) -> BundleSettings:
    needed = {"name": "b", "toolkit": ".", "lock": "l", "build_lock": "b", "target": {"accelerator": "cpu"}}
    return BundleSettings.model_validate({**needed, **more})


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped models with their manifest."""
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


def test_a_model_that_was_taken_in_brings_its_facts_and_its_entry(models: Path, tmp_path: Path) -> None:
    entry = read_models(models)["demo-student"]
    given = [{"path": models / "demo-student", "name": "mine", "origin": "told in the spec"}]
    (part,) = find_parts(spec(models=given))
    assert {*part.files} == {f"models/mine/{name}" for name in entry.files}
    assert (part.licence, part.origin) == (entry.licence, "told in the spec")
    assert {(each.kind, each.licence, each.origin) for each in part.sources().values()} == {
        ("model", entry.licence, "told in the spec")
    }
    assert dict(part.part().files) == {name: file.sha256 for name, file in entry.files.items()}
    # on the closed side the manifest stands beside the model, and is true
    there = tmp_path / "there" / "models"
    for path, source in {**part.sources(), **models_manifest([part])}.items():
        target = there.parent / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.content if isinstance(source.content, bytes) else source.content.read_bytes())
    assert [(each.name, each.problems) for each in verify_models(there)] == [("mine", ())]
    assert read_models(there)["mine"].origin == "told in the spec"


def test_a_model_that_changed_since_it_was_taken_in_is_refused(models: Path) -> None:
    path = models / "demo-student" / "config.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=r"demo-student: .*config\.json"):
        find_parts(spec(models=[{"path": models / "demo-student"}]))


def test_a_model_that_was_never_taken_in_is_looked_over_and_has_no_entry(models: Path) -> None:
    (models / "manifest.json").unlink()
    (part,) = find_parts(spec(models=[{"path": models / "demo-student", "licence": "MIT"}]))
    assert (part.licence, part.origin, part.taken_in) == ("MIT", None, None)
    assert models_manifest([part]) == {}
    (models / "demo-student" / "modeling_own.py").write_text("import os")
    with pytest.raises(InputError, match=r"modeling_own\.py: is code"):
        find_parts(spec(models=[{"path": models / "demo-student"}]))


def test_data_is_a_file_or_a_whole_folder_without_what_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "a" / ".git").mkdir(parents=True)
    for name in ("a/x.txt", "a/y.txt", "z.txt", ".hidden", "a/.git/config"):
        (tmp_path / "corpus" / name).write_text(name)
    parts = find_parts(
        spec(data=[{"path": tmp_path / "corpus", "licence": "CC0-1.0"}, {"path": tmp_path / "corpus" / "z.txt"}])
    )
    assert [[*part.files] for part in parts] == [
        ["data/corpus/a/x.txt", "data/corpus/a/y.txt", "data/corpus/z.txt"],
        ["data/z.txt"],
    ]
    assert [part.licence for part in parts] == ["CC0-1.0", None]
    assert [path for path, _ in parts[0].part().files] == ["a/x.txt", "a/y.txt", "z.txt"]


def test_links_and_what_is_no_file_are_refused(tmp_path: Path) -> None:
    for number, make in enumerate([lambda path: path.symlink_to("/etc/hostname"), lambda path: os.mkfifo(path)]):
        folder = tmp_path / f"corpus-{number}" / "below"
        folder.mkdir(parents=True)
        make(folder / "entry")
        with pytest.raises(InputError, match="below/entry: is a link or no regular file"):
            find_parts(spec(data=[{"path": folder.parent}]))


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as refused:
        find_parts(
            spec(
                models=[{"path": tmp_path / "no-model"}, {"path": tmp_path / "empty"}],
                data=[{"path": tmp_path / "no-data"}, {"path": tmp_path / "empty"}],
            )
        )
    first, *lines = str(refused.value).splitlines()
    assert first == "not everything in the spec can go into a bundle:"
    for place in (
        "no-model: no such folder",
        "empty/config.json: is not there",
        "no-data: no such",
        "empty: is an empty",
    ):
        assert any(str(tmp_path / place) in line for line in lines), lines


def test_configs_and_documents_go_under_their_names(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "one.md").write_text("1")
    (tmp_path / "mine.yaml").write_text("a: 1")
    found = find_plain(spec(configs=[tmp_path / "mine.yaml"], documents=[tmp_path / "runbooks"]))
    assert {path: source.kind for path, source in found.items()} == {
        "configs/mine.yaml": "config",
        "docs/runbooks/one.md": "document",
    }
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "mine.yaml", tmp_path / "other" / "mine.yaml")
    with pytest.raises(InputError, match=r"would be configs/mine\.yaml as another one is"):
        find_plain(spec(configs=[tmp_path / "mine.yaml", tmp_path / "other" / "mine.yaml"]))


def test_wheels_go_in_with_licence_and_origin_and_the_file_that_pip_reads(tmp_path: Path) -> None:
    made = read_wheel(wheel(tmp_path, "some_thing", "1.0+local", metadata="License-Expression: MIT\n"))
    sources = wheel_sources([made])
    assert [*sources] == ["requirements.txt", "wheels/some_thing-1.0+local-py3-none-any.whl"]
    carried = sources["wheels/some_thing-1.0+local-py3-none-any.whl"]
    assert (carried.kind, carried.licence, carried.origin) == ("wheel", "MIT", "pkg:pypi/some-thing@1.0%2Blocal")
    listed = sources["requirements.txt"].content
    assert isinstance(listed, bytes)
    assert f"some-thing==1.0+local --hash=sha256:{made.sha256}\n" in listed.decode()
    assert sources["requirements.txt"].kind == "lock"
    assert str(tmp_path) not in listed.decode()


def test_a_private_key_never_goes_in_and_a_text_about_keys_does(tmp_path: Path, keys: Keys) -> None:
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "notes.txt").write_text("none")
    (folder / "about.md").write_text("A key begins with -----BEGIN PRIVATE KEY-----\nand goes on.\n")
    shutil.copy(keys.public, folder / "public.pem")
    assert len(find_parts(spec(data=[{"path": folder}]))[0].files) == 3
    (folder / "deep" / "notes.txt").write_bytes(b"mine:\r\n" + keys.private.read_bytes())
    with pytest.raises(InputError, match=r"notes\.txt: holds a private key"):
        find_parts(spec(data=[{"path": folder}]))
