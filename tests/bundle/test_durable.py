from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nerkd_local.bundle import steps
from nerkd_local.bundle.durable import point, write_durably


class PowerCut(BaseException):
    pass


def cut_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    passed = []

    def reached(step: str) -> None:
        passed.append(step)
        if len(passed) == number:
            raise PowerCut(step)

    monkeypatch.setattr(steps, "reached", reached)


def test_a_file_has_its_content_and_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_durably(tmp_path / "a", b"one")
        write_durably(tmp_path / "b", b"two", mode=0o444)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == b"one"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o444
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize(("number", "content"), [(1, b"old"), (2, b"new")])
def test_broken_off_it_is_the_old_or_the_new_file_and_the_next_one_is_whole(
    number: int, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    write_durably(target, b"old")
    with monkeypatch.context() as patch:
        cut_at(patch, number)
        with pytest.raises(PowerCut):
            write_durably(target, b"new")
    assert target.read_bytes() == content
    write_durably(target, b"newest")
    assert target.read_bytes() == b"newest"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(("number", "leads_to"), [(1, "old"), (2, "new")])
def test_a_link_leads_somewhere_at_any_time(
    number: int, leads_to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "current"
    point(link, "old")
    with monkeypatch.context() as patch:
        cut_at(patch, number)
        with pytest.raises(PowerCut):
            point(link, "new")
    assert os.readlink(link) == leads_to
    point(link, "newest")
    assert os.readlink(link) == "newest"
    assert os.listdir(tmp_path) == ["current"]


def test_what_lies_under_the_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    (tmp_path / ".a.part").symlink_to(outside)
    write_durably(tmp_path / "a", b"new")
    assert outside.read_bytes() == b"not ours"
    assert not (tmp_path / "a").is_symlink()
