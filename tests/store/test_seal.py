"""A seal fits what was sealed, and nothing else; a sealed folder is copied whole or without its seal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.store import seal
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.seal import (
    SEAL,
    add_to_seal,
    break_seal,
    check_seal,
    copy_sealed,
    is_sealed,
    read_seal,
    seal_folder,
    seal_problems,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "sealed"
    path.mkdir()
    (path / "b.txt").write_text("b")
    (path / "a name.txt").write_text("a")
    (path / "other.txt").write_text("not sealed")
    seal_folder(path, ["b.txt", "a name.txt", "absent.txt"])
    return path


def test_a_seal_is_what_sha256sum_checks(folder: Path) -> None:
    text = (folder / SEAL).read_text()
    assert text == (
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a name.txt\n"
        "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b.txt\n"
    )
    done = subprocess.run(["sha256sum", "-c", SEAL], cwd=folder, check=True, capture_output=True, text=True)
    assert done.stdout == "a name.txt: OK\nb.txt: OK\n"
    assert is_sealed(folder / "b.txt")
    assert not is_sealed(folder / "other.txt")
    check_seal(folder)


def test_every_file_that_changed_or_is_gone_is_named(folder: Path) -> None:
    (folder / "a name.txt").write_text("A")
    (folder / "b.txt").unlink()
    first, second = map(str, seal_problems(folder))
    assert first.startswith(f"{folder / 'a name.txt'}: is not the file that was sealed")
    assert second == f"{folder / 'b.txt'}: stands in SHA256SUMS and is not there"
    with pytest.raises(InputError, match=r"a name\.txt"):
        check_seal(folder)


@pytest.mark.parametrize("line", ["rubbish", "0" * 64, f"{'0' * 64}  ../up", f"{'0' * 64}  ..", f"{'0' * 63}  a"])
def test_a_seal_of_something_else_is_refused_with_its_line(folder: Path, line: str) -> None:
    with (folder / SEAL).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(InputError, match=r"SHA256SUMS:3: not a SHA-256 and the name of a file"):
        read_seal(folder)


def test_a_folder_without_a_seal_has_none(tmp_path: Path) -> None:
    assert read_seal(tmp_path) is None
    assert seal_problems(tmp_path) == []
    break_seal(tmp_path)


def test_a_file_is_added_to_a_seal_that_is_there(folder: Path) -> None:
    before = read_seal(folder)
    assert before is not None
    with add_to_seal(folder / "other.txt"):
        assert read_seal(folder) is None
        (folder / "other.txt").write_text("new")
    after = read_seal(folder)
    assert after is not None
    assert after.keys() == before.keys() | {"other.txt"}
    check_seal(folder)
    break_seal(folder)
    with add_to_seal(folder / "other.txt"):
        pass
    assert read_seal(folder) is None


def test_opening_a_store_to_write_breaks_its_seal(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        store.seal()
    assert [path.name for path in tmp_path.glob("*.sqlite-*")] == []
    seal_folder(tmp_path, ["answers.sqlite"])
    with AnswerStore(tmp_path / "answers.sqlite", read_only=True):
        check_seal(tmp_path)
        assert is_sealed(tmp_path / "answers.sqlite")
    with AnswerStore(tmp_path / "answers.sqlite"):
        assert read_seal(tmp_path) is None


def test_a_copy_is_equal_and_only_what_differs_is_copied(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    copy_sealed(folder, target)
    assert sorted(path.name for path in target.iterdir()) == [SEAL, "a name.txt", "b.txt"]
    check_seal(target)
    unchanged = (target / "b.txt").stat().st_ino
    (folder / "a name.txt").write_text("new")
    seal_folder(folder, ["b.txt", "a name.txt"])
    copy_sealed(folder, target)
    assert (target / "a name.txt").read_text() == "new"
    assert (target / "b.txt").stat().st_ino == unchanged
    check_seal(target)


def test_a_copy_that_is_cut_off_is_not_sealed_and_has_whole_files_only(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy"
    copy_sealed(folder, target)
    for name in ("b.txt", "a name.txt"):
        (folder / name).write_text(f"new {name}")
    seal_folder(folder, ["b.txt", "a name.txt"])
    copy = seal.copy_file

    def breaks(source: Path, goal: Path, expected: str) -> None:
        if source.name == "b.txt":
            raise OSError("the cable was pulled")
        copy(source, goal, expected)

    monkeypatch.setattr(seal, "copy_file", breaks)
    with pytest.raises(OSError, match="cable"):
        copy_sealed(folder, target)
    assert read_seal(target) is None
    assert ((target / "a name.txt").read_text(), (target / "b.txt").read_text()) == ("new a name.txt", "b")
    monkeypatch.undo()
    copy_sealed(folder, target)
    check_seal(target)


def test_a_file_that_is_not_what_was_sealed_is_not_copied(folder: Path, tmp_path: Path) -> None:
    (folder / "b.txt").write_text("damaged")
    with pytest.raises(InputError, match=r"b\.txt: its copy in .* has another SHA-256"):
        copy_sealed(folder, tmp_path / "copy")
    assert not (tmp_path / "copy" / "b.txt").exists()
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["a name.txt"]
    assert read_seal(tmp_path / "copy") is None
