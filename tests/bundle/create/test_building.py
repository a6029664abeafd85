"""Wheels that are built here, and whose pip it is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nerkd_local import offline
from nerkd_local.bundle.create.building import Builder, make_builder
from nerkd_local.bundle.create.lockfile import read_lock
from nerkd_local.errors import InputError, NerkdError
from tests.bundle.create.packages import lock, project, source_archive, wheel

EPOCH = 1_700_000_000


def builder(kept: Path, said: list[str] | None = None) -> Builder:
    return Builder(Path(sys.executable), kept, [].append if said is None else said.append)


def test_a_project_is_built_into_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        first = builder(tmp_path / "one").build(project(tmp_path / "here", "thing"), EPOCH)
    finally:
        os.umask(mask)
    second = builder(tmp_path / "two").build(source_archive(tmp_path / "there", "thing"), EPOCH)
    assert first.name == second.name == "thing-1.0-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.read("thing/__init__.py") == f"built_at = {EPOCH}".encode()
    assert [path.name for path in (tmp_path / "one").iterdir()] == [first.parent.name]  # nothing else is left


def test_a_build_that_differs_from_itself_is_refused(tmp_path: Path) -> None:
    source = project(tmp_path / "here", "thing", salt="str(uuid.uuid4())")
    with pytest.raises(InputError, match=r"here: two builds of it differ"):
        builder(tmp_path / "kept").build(source, EPOCH)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_build_for_this_machine_alone_is_refused(tmp_path: Path) -> None:
    source = project(tmp_path / "here", "thing", tag="py3-none-linux_x86_64")
    with pytest.raises(InputError, match=r"thing-1\.0-py3-none-linux_x86_64\.whl, which fits this machine only"):
        builder(tmp_path / "kept").build(source, EPOCH)


def test_a_build_that_fails_says_what_pip_said(tmp_path: Path) -> None:
    source = project(tmp_path / "here", "thing")
    (source / "backend.py").write_text("raise RuntimeError('no compiler is here')")
    with pytest.raises(NerkdError, match=r"building here failed \(exit code 1\):\n(.*\n)*.*no compiler is here"):
        builder(tmp_path / "kept").build(source, EPOCH)


def test_no_file_is_built_from_before_zip_archives_know_of(tmp_path: Path) -> None:
    path = builder(tmp_path / "kept").build(project(tmp_path / "here", "thing"), 0)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("thing/__init__.py") == b"built_at = 315532800"


def test_a_file_that_the_lock_does_not_know_is_not_fetched(tmp_path: Path, registry: Callable[[Path], None]) -> None:
    shelf = tmp_path / "shelf"
    pins = read_lock(lock(tmp_path / "lock.txt", wheel(shelf, "thing")))
    registry(shelf)
    builder(tmp_path / "kept").download(pins, ["--only-binary", ":all:"], tmp_path / "into", "fetching")
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["thing-1.0-py3-none-any.whl"]
    wheel(shelf, "thing", files={"thing/more.py": b"import os"})
    with pytest.raises(NerkdError, match="fetching failed"):
        builder(tmp_path / "kept").download(pins, ["--only-binary", ":all:"], tmp_path / "other", "fetching")
    assert not list((tmp_path / "other").glob("*.whl"))


@pytest.mark.slow
def test_the_build_environment_has_what_the_lock_pins_and_is_made_once(
    tmp_path: Path, registry: Callable[[Path], None]
) -> None:
    registry(tmp_path / "shelf")
    pinned = lock(tmp_path / "build.txt", wheel(tmp_path / "shelf", "thing"))
    said: list[str] = []
    made = make_builder(tmp_path / "cache", pinned, said.append)
    done = subprocess.run([made.python, "-c", "import thing; print(thing.__file__)"], capture_output=True, text=True)
    assert done.stdout.startswith(str(tmp_path / "cache")), done.stderr
    assert said == ["making the environment that wheels are built in"]
    assert make_builder(tmp_path / "cache", pinned, said.append) == Builder(made.python, made.kept, said.append)
    assert len(said) == 1
    # one that was interrupted before it was ready is made again
    (made.kept.parent / "ready").unlink()
    (made.kept.parent / "bin" / "python").unlink()
    make_builder(tmp_path / "cache", pinned, said.append).pip(["--version"], "asking")
    assert len(said) == 2


_SHOW = """
from nerkd_local import offline; offline.seal()
from nerkd_local.bundle.create.building import users_environment
found = users_environment()
print(*(found.get(name) for name in ("PIP_NO_INDEX", "HF_HUB_OFFLINE", "RES_OPTIONS", "PIP_RETRIES")))
"""
_START = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SHOW!r}])"


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        (_SHOW, {}, "None None None 7"),
        (_SHOW, {"PIP_NO_INDEX": "1"}, "1 None None 7"),
        (f"from nerkd_local import offline; offline.seal()\n{_START}", {}, "None None None 7"),
    ],
    ids=["nothing", "their own", "started by a sealed process"],
)
def test_pip_is_given_the_users_own_switches_and_not_the_seals(code: str, given: dict[str, str], expected: str) -> None:
    clean = {name: value for name, value in offline.users_environment().items() if not name.startswith("PIP_")}
    environment = {**clean, "PIP_RETRIES": "7", **given}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
