from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from nerkd_local.bundle.folder import Strange, open_folder
from nerkd_local.bundle.hashing import Unreadable
from nerkd_local.bundle.refusals import Corrupt
from nerkd_local.errors import InputError
from tests.bundle.samples import fails_to_open


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of everything that a file system can hold, twice: at the top and under objects/."""
    top = tmp_path / "bundle"
    for place in (top, top / "objects"):
        place.mkdir()
        (place / "file").write_bytes(b"content")
        (place / "folder").mkdir()
        (place / "link").symlink_to("file")
        os.mkfifo(place / "pipe")
    return top


EXPECTED = {"file": "file", "folder": "folder", "link": "symbolic link", "pipe": "pipe"}


def test_everything_is_listed_with_what_it_is(folder: Path) -> None:
    with open_folder(folder) as opened:
        assert opened.entries() == {
            **EXPECTED, "objects": "folder", **{f"objects/{name}": kind for name, kind in EXPECTED.items()},
        }  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "objects/"])
def test_only_plain_files_are_opened_and_a_pipe_is_not_waited_for(folder: Path, prefix: str) -> None:
    with open_folder(folder) as opened:
        assert opened.read(f"{prefix}file", 100) == b"content"
        assert opened.read(f"{prefix}file", 3) == b"cont"
        for name, kind in EXPECTED.items():
            if name != "file":
                with pytest.raises(Strange, match=kind):
                    opened.read(prefix + name, 100)
        with pytest.raises(FileNotFoundError):
            opened.read(f"{prefix}none", 100)


def test_a_socket_is_strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with open_folder(tmp_path) as opened:
            assert opened.entries() == {"socket": "socket"}
            with pytest.raises(Strange, match="socket"):
                opened.read("socket", 1)


def test_no_name_leads_out_of_the_folder(folder: Path) -> None:
    (folder.parent / "outside").write_bytes(b"secret")
    with open_folder(folder) as opened:
        for name in ("../outside", "objects/../../outside", str(folder.parent / "outside"), "folder/../file"):
            with pytest.raises(FileNotFoundError):
                opened.read(name, 100)


def test_objects_that_are_elsewhere_are_not_looked_at(folder: Path, tmp_path: Path) -> None:
    (folder / "objects").rename(tmp_path / "objects")
    (folder / "objects").symlink_to(tmp_path / "objects")
    with open_folder(folder) as opened:
        assert opened.entries() == {**EXPECTED, "objects": "symbolic link"}
        with pytest.raises(FileNotFoundError):
            opened.read("objects/file", 100)


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    with open_folder(tmp_path) as opened:
        assert list(opened.entries()) == ["\udcff"]


def test_what_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path / "file", "Not a directory")):
        with pytest.raises(InputError, match=said), open_folder(path):
            pass


def test_a_file_that_the_medium_cannot_open_or_read_is_unreadable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_folder(folder) as opened, monkeypatch.context() as patched:
        fails_to_open(patched, "file")
        with pytest.raises(Unreadable, match="Input/output"):
            opened.read("objects/file", 10)
    # /proc/self/mem is a plain file whose first bytes cannot be read
    with open_folder(Path("/proc/self")) as opened, pytest.raises(Unreadable, match="Input/output"):
        opened.read("mem", 10)


def test_a_folder_that_the_medium_cannot_list_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(handle: int) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO), handle)

    with open_folder(folder) as opened:
        monkeypatch.setattr(os, "scandir", fails)
        with pytest.raises(Corrupt) as caught:
            opened.entries()
    assert str(folder) in str(caught.value)
    assert "Input/output error" in str(caught.value)


def test_a_file_that_cannot_be_looked_at_does_not_hide_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.entry, self.name = entry, entry.name

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            if self.name == "file":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self.entry.stat(follow_symlinks=follow_symlinks)

    class Listing:
        def __init__(self, handle: int) -> None:
            self.listing = scandir(handle)

        def __enter__(self) -> list[Faulty]:
            with self.listing as entries:
                return [Faulty(entry) for entry in entries]

        def __exit__(self, *given: object) -> None:
            pass

    scandir = os.scandir
    with open_folder(folder) as opened:
        whole = opened.entries()
        monkeypatch.setattr(os, "scandir", Listing)
        assert opened.entries() == whole
