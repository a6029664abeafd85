"""The mount table, read as proc(5) writes it: the deepest mount point over a path decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.filesystem import NETWORK, file_system, refuse_network

PLAIN = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:25 / /home rw,relatime shared:12 - nfs4 store:/home rw,vers=4.2
31 30 8:1 / /home/me/local rw shared:13 master:2 propagate_from:1 - xfs /dev/sda1 rw
32 22 0:30 / /homework rw - tmpfs tmpfs rw
33 22 0:31 / /with\\040space\\011tab\\134slash\\012line rw - cifs //store/share rw
34 22 0:40 /projects/mine /srv/bound rw - lustre 10.0.0.1@tcp:/lustre rw
35 22 8:2 / /stacked rw - ext4 /dev/sdb1 rw
36 35 0:41 / /stacked rw - nfs store:/stacked rw
37 22 0:42 / /gone//deleted rw - nfs store:/x rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(PLAIN)
    return path


@pytest.mark.parametrize(
    ("path", "kind", "point"),
    [
        ("/etc/passwd", "ext4", "/"),
        ("/", "ext4", "/"),
        ("/home", "nfs4", "/home"),
        ("/home/me/answers.sqlite", "nfs4", "/home"),
        ("/home/me/local", "xfs", "/home/me/local"),
        ("/home/me/local/deep/down", "xfs", "/home/me/local"),
        ("/home/me/localised", "nfs4", "/home"),  # a name that only begins alike is another folder
        ("/homework/x", "tmpfs", "/homework"),
        ("/with space\ttab\\slash\nline/x", "cifs", "/with space\ttab\\slash\nline"),
        ("/with", "ext4", "/"),
        ("/srv/bound/x", "lustre", "/srv/bound"),  # a bind mount has the type of what is bound
        ("/stacked/x", "nfs", "/stacked"),  # the later of two mounts on one point covers the other
        ("/home/me/local/../x", "nfs4", "/home"),
    ],
)
def test_the_deepest_mount_over_a_path_counts(mounts: Path, path: str, kind: str, point: str) -> None:
    assert file_system(Path(path), mounts) == (kind, point)


def test_a_link_is_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path / 'there'} rw - nfs x rw\n")
    assert file_system(tmp_path / "link" / "a.sqlite", mounts) == ("nfs", str(tmp_path / "there"))


@pytest.mark.parametrize("text", ["", "rubbish\n", "1 2 3:4 / /\n", "1 2 3:4 / / rw - \n", "\n - ext4 x rw\n"])
def test_lines_that_are_no_mounts_tell_nothing(tmp_path: Path, text: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(text)
    assert file_system(Path("/etc"), mounts) == ("unknown", "/")


def test_a_machine_without_the_table(tmp_path: Path) -> None:
    assert file_system(Path("/etc"), tmp_path / "absent") == ("unknown", "/")
    refuse_network(Path("/etc"), tmp_path / "absent")


@pytest.mark.parametrize("kind", sorted(NETWORK))
def test_every_network_file_system_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /net rw - {kind} x rw\n")
    with pytest.raises(InputError, match=rf"^/net/a\.sqlite: is on a network file system \({kind} at /net\)"):
        refuse_network(Path("/net/a.sqlite"), mounts)
    refuse_network(Path("/local/a.sqlite"), mounts)


def test_a_store_is_refused_there_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path / 'net'} rw - nfs4 x rw\n")
    monkeypatch.setattr("nerkd_local.store.filesystem.refuse_network.__defaults__", (mounts,))
    with pytest.raises(InputError, match="nfs4"):
        AnswerStore(tmp_path / "net" / "answers.sqlite")
    assert not list((tmp_path / "net").glob("*"))
