from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from nerkd_local.doctor import storage


@pytest.mark.parametrize(
    ("kind", "status"), [("ext4", "ok"), ("xfs", "ok"), ("nfs4", "fail"), ("lustre", "fail"), ("tmpfs", "warn")]
)
def test_the_kind_of_file_system(tmp_path: Path, kind: str, status: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 20 0:5 / {tmp_path} rw - {kind} somewhere rw\n")
    found = storage.store_file_system(tmp_path / "annotations", mounts)
    assert found.status == status
    assert found.seen.startswith(f"{kind} at {tmp_path}")


def test_a_machine_that_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert storage.store_file_system(tmp_path, tmp_path / "none").status == "unknown"


def test_a_trial_of_the_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    found = storage.store_durability(tmp_path / "annotations")
    assert found.status in ("ok", "warn")  # a slow disk is a warning
    assert "locks hold" in found.seen
    assert list(tmp_path.iterdir()) == []


def test_locks_that_do_not_hold_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    found = storage.store_durability(tmp_path)
    assert (found.status, found.seen) == ("fail", f"{tmp_path}: locks do not hold here")


def test_a_file_system_that_cannot_write_ahead_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_try_sqlite", lambda path: "delete")
    assert "cannot write ahead" in storage.store_durability(tmp_path).seen


def test_a_slow_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_slowest_sync", lambda path: 0.8)
    found = storage.store_durability(tmp_path)
    assert found.status == "warn"
    assert "800 ms" in found.seen
