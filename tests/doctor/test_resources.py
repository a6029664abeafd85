from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nerkd_local.doctor import resources
from nerkd_local.doctor.finding import Finding

GIB_KIB = 2**20


def meminfo(total: float, free: float) -> str:
    return (
        f"MemTotal:       {int(total * GIB_KIB)} kB\nMemFree: 12 kB\n"
        f"MemAvailable:   {int(free * GIB_KIB)} kB\nHugePages_Total:       0\n"
    )


@pytest.mark.parametrize(
    ("total", "free", "limit", "status"),
    [
        (64, 50, (), "ok"),
        (64, 3, (), "warn"),
        (64, 0.5, (), "fail"),
        (64, 50, (str(2 * 2**30) + "\n", ""), "warn"),
        (64, 50, ("max\n", ""), "ok"),
        (64, 50, ("9223372036854771712",), "ok"),  # what version 1 of control groups says for none
    ],
)
def test_memory_is_the_smaller_of_the_machines_and_the_containers(
    total: float, free: float, limit: tuple[str, ...], status: str
) -> None:
    assert resources.memory(meminfo(total, free), limit).status == status


def test_memory_that_is_not_told_is_unknown_and_not_well() -> None:
    assert resources.memory("", ()).status == "unknown"
    assert resources.memory("HugePages_Total: \n", ()).status == "unknown"


def test_this_machine_tells_its_memory() -> None:
    free = resources.free_memory()
    assert free is not None
    assert free > 2**20


class Disk:
    def __init__(self, free: float) -> None:
        self.free, self.total = int(free * 2**30), 100 * 2**30


@pytest.mark.parametrize(("free", "status"), [(50, "ok"), (5, "warn"), (0.5, "fail")])
def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, status: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(free))
    monkeypatch.setattr(resources, "_INODES_WARN", 0)
    assert resources.disk(tmp_path / "not" / "there" / "yet").status == status
    assert not (tmp_path / "not").exists()


def test_a_folder_that_takes_no_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert "takes no file" in resources.disk(tmp_path).seen


def test_too_few_file_entries_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(50))
    monkeypatch.setattr(resources, "_INODES_WARN", 2**63)
    found = resources.disk(tmp_path)
    assert found.status == ("warn" if os.statvfs(tmp_path).f_files else "ok")


def test_no_folder_for_temporary_files_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    assert resources.temporary_folder().status in ("ok", "warn")
    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert resources.temporary_folder({"TMPDIR": "/gone"}).status == "fail"


def test_shared_memory_is_there_and_large_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resources.shared_memory(tmp_path / "shm").status == "fail"
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(0.06))
    docker = resources.shared_memory(tmp_path)
    assert docker.status == "warn"
    assert "--shm-size=8g" in str(docker.fix)
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(8))
    assert resources.shared_memory(tmp_path).status == "ok"


@pytest.mark.parametrize(
    ("check", "status"),
    [
        (lambda: resources.open_files(1024), "warn"),
        (lambda: resources.open_files(65536), "ok"),
        (lambda: resources.open_files(-1), "ok"),
        (lambda: resources.core_dumps(0, "core"), "ok"),
        (lambda: resources.core_dumps(-1, "core"), "warn"),
        (lambda: resources.core_dumps(0, "|/usr/lib/systemd/systemd-coredump %P"), "warn"),
    ],
)
def test_limits(check: Callable[[], Finding], status: str) -> None:
    assert check().status == status
