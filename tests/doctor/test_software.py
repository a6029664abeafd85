from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nerkd_local.doctor import software

LOCK = """# Written by scripts/lock
numpy==2.3.5 \\
    --hash=sha256:00
    # via nerkd-local (pyproject.toml)
torch==2.13.0+cpu --hash=sha256:11
only-there==1.0 ; sys_platform == "linux" --hash=sha256:22
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(LOCK)
    return path


def test_installed_versions_are_compared_with_the_lock(lock: Path) -> None:
    installed = {"numpy": "2.3.5", "torch": "2.13.0+cpu", "only-there": "1.0"}
    assert software.locked_versions(lock, installed.get).seen == "all 3 as in requirements.txt"
    found = software.locked_versions(lock, {**installed, "numpy": "2.4.0"}.get)
    assert (found.status, found.seen) == (
        "warn",
        "1 of 3 are not those of requirements.txt: numpy 2.4.0 (locked: 2.3.5)",
    )
    assert "only-there missing" in software.locked_versions(lock, {"numpy": "2.3.5"}.get).seen


def test_a_lock_without_a_build_tag_admits_that_build(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("torch==2.13.0 \\\n    --hash=sha256:00\n")
    assert software.locked_versions(lock, {"torch": "2.13.0+cpu"}.get).status == "ok"
    assert software.locked_versions(lock, {"torch": "2.13.1+cpu"}.get).status == "warn"


def test_the_lock_is_the_bundles_where_there_is_one(tmp_path: Path, lock: Path) -> None:
    environment = tmp_path / "env"
    assert software.find_lock(environment) == lock
    lock.unlink()
    found = software.find_lock(environment)
    assert found is not None
    assert found.parent.name == "locks"
    assert software.find_lock(environment, tmp_path / "package") is None


def test_no_lock_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "find_lock", lambda: None)
    assert software.locked_versions().status == "unknown"


def test_a_library_that_does_not_load_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if name == "torch":
            raise OSError("libgomp.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(software, "package_version", lambda name: "1.0")
    found = software.libraries(load)
    assert (found.status, found.seen) == (
        "fail",
        "torch cannot be imported: libgomp.so.1: cannot open shared object file",
    )


def test_a_library_that_is_not_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "package_version", lambda name: None)
    assert software.libraries().status == "warn"


def test_vllm_that_is_not_installed_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "vllm_version", lambda: None)
    assert software.vllm_import().status == "warn"


@pytest.mark.parametrize(
    ("program", "status", "seen"),
    [
        ("print('chatter'); print('[\"0.32.0\", \"cpu\"]')", "ok", "for cpu, imported in"),
        ("import sys; sys.exit('libcudart.so.13: cannot open')", "fail", "libcudart.so.13: cannot open"),
        ("print('chatter')", "fail", "did not say which it is"),
        ("", "fail", "did not say which it is"),
        ("import time; time.sleep(60)", "fail", "not imported within"),
    ],
)
def test_vllm_is_imported_apart_and_for_so_long(program: str, status: str, seen: str) -> None:
    limit = 1.0 if "sleep" in program else 60.0
    found = software.vllm_import(limit, [sys.executable, "-c", program])
    assert found.status == status
    assert seen in found.seen
