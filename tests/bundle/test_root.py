from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.bundle.root import Root, make_folders
from nerkd_local.errors import InputError


def test_versions_are_listed_by_sequence_without_what_is_unfinished(root: Root) -> None:
    assert root.received_versions() == root.installed_versions() == []
    assert root.active() is None
    for name in ("000010-b", "000009-c", ".000011-a.part"):
        root.bundle(name).mkdir(parents=True)
        root.version(name).mkdir(parents=True)
    (root.path / "bundles" / "file").write_bytes(b"")
    root.installed("000009-c").write_bytes(b"{}")
    assert root.received_versions() == ["000009-c", "000010-b"]
    assert root.installed_versions() == ["000009-c"]
    os.symlink("versions/000009-c", root.current)
    assert root.active() == "000009-c"


def test_the_lock_is_held_by_one_and_given_back_however_it_ends(root: Root) -> None:
    with pytest.raises(ZeroDivisionError), root.locked():
        raise ZeroDivisionError
    code = "import os, sys\nfrom pathlib import Path\nfrom nerkd_local.bundle.root import Root\n"
    code += "with Root(Path(sys.argv[1])).locked():\n    print('held', flush=True)\n    sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(root.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another"), root.locked():
        pass
    other.kill()
    other.communicate()
    with root.locked():
        assert (root.path / "lock").is_file()


def test_a_lock_that_is_given_back_within_a_moment_is_waited_for(root: Root) -> None:
    code = "import os, sys, time\nfrom pathlib import Path\nfrom nerkd_local.bundle.root import Root\n"
    code += "with Root(Path(sys.argv[1])).locked():\n    print('held', flush=True)\n    time.sleep(0.3)"
    other = subprocess.Popen([sys.executable, "-c", code, str(root.path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with root.locked() as handle:
        assert os.fstat(handle).st_ino == (root.path / "lock").stat().st_ino
    other.communicate()


def test_paths_of_a_version_lie_below_the_root() -> None:
    root = Root(Path("/x"))
    assert root.bundle("v") == Path("/x/bundles/v")
    assert root.installed("v") == Path("/x/versions/v/installed.json")


def test_folders_between_are_made_and_those_there_left_alone(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        make_folders(there / "a" / "b")
    finally:
        os.umask(before)
    assert (there / "a" / "b").is_dir()
    assert there.stat().st_mode & 0o777 == 0o700
    assert (there / "a").stat().st_mode & 0o777 == 0o755


def test_what_is_no_folder_or_no_link_is_named(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file: is there already, and is no folder"), Root(tmp_path / "file").locked():
        pass
    root.current.mkdir(parents=True)  # a copy of it that was made through the link
    with pytest.raises(InputError, match="current: is no link to a version; move it away"):
        root.active()
