from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerkd_local.bundle import hashing
from nerkd_local.bundle.hashing import Digest, Unreadable, hash_file, hash_handle, join_files, whole_hash


def digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "PIECE", 16)


QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("_small_pieces")
@QUICK
@given(content=st.binary(max_size=100), limit=st.none() | st.integers(0, 120))
def test_a_file_is_hashed_and_copied_up_to_the_limit(tmp_path: Path, content: bytes, limit: int | None) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    assert hash_file(source) == digest(content)
    told: list[int] = []
    with source.open("rb") as stream, target.open("wb") as out:
        found = hash_handle(stream.fileno(), copy_to=out.fileno(), at_most=limit, on_bytes=told.append)
    assert found == digest(content[:limit])
    assert target.read_bytes() == content[:limit]
    assert sum(told) == found.size


@pytest.mark.usefixtures("_small_pieces")
@QUICK
@given(parts=st.lists(st.binary(max_size=70), min_size=1, max_size=4))
def test_the_hash_of_the_whole_comes_with_those_of_its_volumes(tmp_path: Path, parts: list[bytes]) -> None:
    paths = [tmp_path / str(number) for number in range(len(parts))]
    with whole_hash() as whole:
        for path, content in zip(paths, parts, strict=True):
            path.write_bytes(content)
            with path.open("rb") as stream:
                assert hash_handle(stream.fileno(), whole=whole) == digest(content)
        assert whole.digest == digest(b"".join(parts))
    with (tmp_path / "joined").open("wb") as out:
        assert join_files(paths, out.fileno()) == whole.digest
    assert (tmp_path / "joined").read_bytes() == b"".join(parts)


def test_a_write_that_takes_only_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, piece: write(handle, bytes(piece[:3])))
    (tmp_path / "source").write_bytes(b"0123456789")
    with (tmp_path / "source").open("rb") as stream, (tmp_path / "target").open("wb") as out:
        hash_handle(stream.fileno(), copy_to=out.fileno())
    assert (tmp_path / "target").read_bytes() == b"0123456789"


@pytest.mark.parametrize(("call", "reading"), [("readv", True), ("write", False)])
def test_a_medium_that_fails_is_told_from_a_disk_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, reading: bool
) -> None:
    def fails(*_: object) -> int:
        raise OSError(5, "Input/output error")

    (tmp_path / "source").write_bytes(b"0123456789")
    with (tmp_path / "source").open("rb") as stream, (tmp_path / "target").open("wb") as out:
        monkeypatch.setattr(os, call, fails)
        with pytest.raises(OSError, match="Input/output") as caught:
            hash_handle(stream.fileno(), copy_to=out.fileno())
        assert isinstance(caught.value, Unreadable) == reading


def test_a_link_is_not_joined(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    with (tmp_path / "out").open("wb") as out, pytest.raises(OSError, match="symbolic"):
        join_files([tmp_path / "link"], out.fileno())
