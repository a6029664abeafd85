"""What a result tells of the software that it was made with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from nerkd_local import __version__, software
from nerkd_local.software import describe_software


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    software._commit.cache_clear()


def checkout(folder: Path) -> str:
    """A checkout with one commit of one package file; returns the commit."""
    (folder / "nerkd_local").mkdir()
    (folder / "nerkd_local" / "software.py").write_text("")
    name = ("-c", "user.name=n", "-c", "user.email=e")
    for arguments in (("init", "-q"), ("add", "."), (*name, "commit", "-q", "-m", "first")):
        subprocess.run(("git", "-C", str(folder), *arguments), check=True)
    answer = subprocess.run(("git", "-C", str(folder), "rev-parse", "HEAD"), check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(software, "__file__", str(tmp_path / "nerkd_local" / "software.py"))
    found = describe_software(["numpy", "no-such-package"])
    assert (found.pop("python") or "").startswith("3.")
    assert found == {"nerkd-local": __version__, "commit": None, "numpy": np.__version__, "no-such-package": None}


def test_a_checkout_tells_its_commit_and_whether_it_was_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = checkout(tmp_path)
    monkeypatch.setattr(software, "__file__", str(tmp_path / "nerkd_local" / "software.py"))
    assert describe_software([])["commit"] == commit
    (tmp_path / "README.md").write_text("no part of what runs")
    software._commit.cache_clear()
    assert describe_software([])["commit"] == commit
    (tmp_path / "nerkd_local" / "new.py").write_text("")
    software._commit.cache_clear()
    assert describe_software([])["commit"] == f"{commit}+changes"


def test_a_commit_that_cannot_be_asked_for_is_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()  # of something that git does not know
    monkeypatch.setattr(software, "__file__", str(tmp_path / "nerkd_local" / "software.py"))
    assert describe_software([])["commit"] is None
    software._commit.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_software([])["commit"] is None


def test_a_commit_is_not_told_where_git_does_not_say_whether_it_was_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checkout(tmp_path)
    monkeypatch.setattr(software, "__file__", str(tmp_path / "nerkd_local" / "software.py"))
    (tmp_path / ".git" / "index").write_text("damaged")
    assert describe_software([])["commit"] is None
