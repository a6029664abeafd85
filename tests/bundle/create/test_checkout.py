"""Of a checkout, what git knows goes in, and nothing that only lies there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nerkd_local.bundle.create.checkout import known_files


def git(folder: Path, *arguments: str) -> None:
    name = ("-c", "user.name=n", "-c", "user.email=e")
    subprocess.run(("git", "-C", str(folder), *name, *arguments), check=True, env={**os.environ}, capture_output=True)


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "toolkit"
    (folder / "package").mkdir(parents=True)
    for name in ("package/one.py", "package/two words.py", "package/gone.py"):
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_checkout_goes_in_whole_and_nothing_is_said(checkout: Path) -> None:
    said: list[str] = []
    (checkout / "package" / "ignored.log").write_text("secret")
    with known_files(checkout, said.append) as copy:
        assert copy.name == "toolkit"
        assert set(content(copy)) == {".gitignore", "package/one.py", "package/two words.py", "package/gone.py"}
    assert said == []
    assert not copy.exists()


def test_what_git_does_not_know_stays_out_and_is_named(checkout: Path) -> None:
    (checkout / "package" / ".env").write_text("secret")
    (checkout / "package" / "link.yaml").symlink_to("/etc/hostname")
    (checkout / "package" / "one.py").write_text("changed")
    (checkout / "package" / "gone.py").unlink()
    (checkout / "package" / "new.py").write_text("added")
    git(checkout, "add", "package/new.py")
    said: list[str] = []
    with known_files(checkout, said.append) as copy:
        found = content(copy)
    assert found == {
        ".gitignore": "*.log\n",
        "package/one.py": "changed",
        "package/two words.py": "package/two words.py",
        "package/new.py": "added",
    }
    left_out, changed = said
    assert left_out.endswith("left out, as git does not know them: package/.env, package/link.yaml")
    assert changed.endswith("not as they were committed: package/gone.py, package/new.py, package/one.py")


def test_where_git_does_not_answer_that_is_said(checkout: Path) -> None:
    (checkout / ".git").rename(checkout.parent / "elsewhere")
    said: list[str] = []
    with known_files(checkout, said.append) as folder:
        assert folder == checkout
    assert len(said) == 1
    assert "git does not answer" in said[0]
