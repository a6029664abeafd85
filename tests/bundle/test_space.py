from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.refusals import NoSpace
from nerkd_local.bundle.space import SPARE, readable, require_space


def disk(monkeypatch: pytest.MonkeyPatch, *, blocks: int, files: int = 10**6, known: int = 10**6) -> None:
    status = (4096, 4096, 10**6, 10**9, blocks, known, 10**9, files, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(status))


@pytest.mark.parametrize("missing", [0, 1])
def test_the_last_byte_counts_and_roots_reserve_does_not(missing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, blocks=100_000)
    needed = 100_000 * 4096 - SPARE + missing
    if not missing:
        require_space(Path("/"), needed, "for it")
        return
    with pytest.raises(NoSpace, match="there is no room for it") as caught:
        require_space(Path("/"), needed, "for it")
    assert caught.value.found == "409.6 MB free"


def test_files_are_counted_where_the_file_system_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, blocks=10**6, files=10)
    require_space(Path("/"), 0, "for it", files=10)
    with pytest.raises(NoSpace, match="no inodes left for it"):
        require_space(Path("/"), 0, "for it", files=11)
    disk(monkeypatch, blocks=10**6, files=0, known=0)
    require_space(Path("/"), 0, "for it", files=11)


def test_the_nearest_folder_that_is_there_is_asked(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 0, "for it")
    with pytest.raises(NoSpace):
        require_space(tmp_path / "not" / "yet", 10**18, "for it")
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
        (3_200_000_000, "3.2 GB"), (5 * 10**15, "5.0 PB"), (10**19, "10000.0 PB"),
    ],
)  # fmt: skip
def test_a_size_in_words(size: int, said: str) -> None:
    assert readable(size) == said


@given(st.integers(1000, 10**18))
def test_a_size_in_words_is_within_a_twentieth_of_its_unit(size: int) -> None:
    number, unit = readable(size).split()
    factor = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    assert abs(float(number) * factor - size) <= 0.0501 * factor
