"""The folder of a bundle: what is written is what was given, whole or not there, and the same each time."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.bundle.create import volumes
from nerkd_local.bundle.create.volumes import Header, Source, Written, write_bundle
from nerkd_local.bundle.manifest import MANIFEST, SIGNATURE, Base, Manifest, read_manifest
from nerkd_local.bundle.refusals import NoSpace
from nerkd_local.bundle.verify import verify
from nerkd_local.errors import InputError
from tests.bundle.samples import Keys, tree

HEADER = Header("results", "sample", 1, "2026-01-02T03:04:05Z", text="none")
FILES = {"a.txt": b"first", "b/c.txt": b"second and longer", "b/same.txt": b"first", "d/empty": b""}


def write(output: Path, keys: Keys, files: Mapping[str, bytes] = FILES, **more: Any) -> Written:
    sources = {path: Source(content, "result") for path, content in files.items()}
    return write_bundle(HEADER, sources, output, keys.private, **{"max_volume": 6, **more})


def read_back(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The files of a bundle, joined from its volumes."""
    joined = {
        each.sha256: b"".join((folder / each.volume_name(number)).read_bytes() for number in range(len(each.volumes)))
        for each in manifest.objects
    }
    return {file.path: joined[file.sha256] for file in manifest.files}


@given(
    files=st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e.x"]), st.binary(max_size=20), min_size=1),
    max_volume=st.integers(1, 9),
)
@settings(max_examples=20)
def test_what_is_read_back_is_what_was_given_in_volumes_that_are_full_but_the_last(
    files: dict[str, bytes], max_volume: int, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bundle") / "out"
    written = write(folder, keys, files, max_volume=max_volume)
    assert read_back(folder, written.manifest) == files
    assert verify(folder, keys.public).manifest == written.manifest
    for each in written.manifest.objects:
        assert each.sha256 in {hashlib.sha256(content).hexdigest() for content in files.values()}
        assert all(volume.size == max_volume for volume in each.volumes[:-1])
    assert written.carried_bytes == sum(map(len, set(files.values())))


@pytest.mark.parametrize(
    ("content", "sizes"),
    [(b"", [0]), (b"12345", [5]), (b"123456", [6]), (b"1234567", [6, 1]), (b"123456123456", [6, 6])],
)
def test_contents_are_cut_at_the_limit(tmp_path: Path, keys: Keys, content: bytes, sizes: list[int]) -> None:
    (file,) = write(tmp_path / "out", keys, {"x": content}).manifest.objects
    assert [volume.size for volume in file.volumes] == sizes


def test_the_same_arguments_give_the_same_bytes_whenever_and_wherever(tmp_path: Path, keys: Keys) -> None:
    first = write(tmp_path / "one", keys, beside={"READ.txt": b"me"})
    for name, content in FILES.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(content)
        os.utime(tmp_path / "files" / name, (1, 1))
    mask = os.umask(0o077)
    try:
        sources = {name: Source(tmp_path / "files" / name, "result") for name in reversed(FILES)}
        second = write_bundle(
            HEADER, sources, tmp_path / "x" / "two", keys.private, beside={"READ.txt": b"me"}, max_volume=6
        )
    finally:
        os.umask(mask)
    assert second.manifest.root_hash == first.manifest.root_hash
    assert tree(second.folder) == tree(first.folder)
    assert {oct(path.stat().st_mode & 0o777) for path in second.folder.rglob("*") if path.is_file()} == {"0o644"}
    assert {path.stat().st_nlink for path in second.folder.rglob("*") if path.is_file()} == {1}
    assert (second.folder / "objects").stat().st_mode & 0o777 == 0o755


def test_the_manifest_says_what_it_was_told_and_its_own_hash_is_that_of_its_file(tmp_path: Path, keys: Keys) -> None:
    source = Source(b"text", "result", licence="CC0-1.0", origin="a place", revision="7")
    header = dataclasses.replace(HEADER, installed_bytes=99)
    written = write_bundle(header, {"x": source}, tmp_path / "out", keys.private)
    content = (tmp_path / "out" / MANIFEST).read_bytes()
    manifest = read_manifest(content)
    assert manifest == written.manifest
    assert manifest.root_hash == hashlib.sha256(content).hexdigest()
    (file,) = manifest.files
    assert (file.licence, file.origin, file.revision, manifest.installed_bytes) == ("CC0-1.0", "a place", "7", 99)
    assert set(manifest.tool) == {"nerkd-local", "commit"}
    assert write(tmp_path / "two", keys).manifest.installed_bytes == sum(map(len, FILES.values()))


def test_a_delta_carries_what_the_earlier_bundle_has_not(tmp_path: Path, keys: Keys) -> None:
    earlier = write(tmp_path / "one", keys).manifest
    header = dataclasses.replace(HEADER, sequence=2)
    files = {**FILES, "a.txt": b"another one"}
    sources = {path: Source(content, "result") for path, content in files.items()}
    # another limit: what is there already keeps the volumes that it was received in
    written = write_bundle(header, sources, tmp_path / "two", keys.private, earlier=earlier, max_volume=4)
    manifest = written.manifest
    assert manifest.base == Base(earlier.root_hash, 1)
    assert {each.sha256 for each in manifest.objects if each.carried} == {hashlib.sha256(b"another one").hexdigest()}
    assert all(each.volumes == earlier.by_hash[each.sha256].volumes for each in manifest.objects if not each.carried)
    assert written.carried_bytes == len(b"another one")
    assert len(list((tmp_path / "two" / "objects").iterdir())) == 3
    verify(tmp_path / "two", keys.public)


def test_what_is_there_already_is_left_alone_if_it_is_the_same(tmp_path: Path, keys: Keys) -> None:
    first = write(tmp_path / "out", keys)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    again = write(tmp_path / "out", keys)
    assert (first.new, again.new) == (True, False)
    assert again.manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before


@pytest.mark.parametrize("damage", ["flip", "remove", "add", "signature", "link"])
def test_nothing_is_written_over_another_bundle_or_a_damaged_one(tmp_path: Path, keys: Keys, damage: str) -> None:
    folder = write(tmp_path / "out", keys).folder
    volume = max((folder / "objects").iterdir(), key=lambda path: path.stat().st_size)
    if damage == "flip":
        volume.write_bytes(bytes([volume.read_bytes()[0] ^ 1]) + volume.read_bytes()[1:])
    elif damage == "remove":
        volume.unlink()
    elif damage == "add":
        (folder / "objects" / "more").write_bytes(b"")
    elif damage == "signature":
        (folder / SIGNATURE).write_bytes(bytes(64))
    else:
        volume.rename(tmp_path / "elsewhere")
        volume.symlink_to(tmp_path / "elsewhere")
    before = tree(folder)
    with pytest.raises(InputError, match="holds something else already"):
        write(tmp_path / "out", keys)
    assert tree(folder) == before


def test_an_empty_folder_can_become_a_bundle(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "out").mkdir()
    assert write(tmp_path / "out", keys).new
    assert read_back(tmp_path / "out", write(tmp_path / "out", keys).manifest) == FILES


@pytest.mark.parametrize("stop", range(6))
def test_after_an_interruption_anywhere_the_same_call_goes_on(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    whole = write(tmp_path / "whole", keys)
    assert len(whole.manifest.numbered()) == 5
    copied: list[str] = []
    copy = volumes._copy

    def interrupted(*arguments: Any) -> None:
        """At the volume with that number, or, behind the last of them, at the manifest."""
        if len(copied) == stop:
            arguments[-1].with_name(f"{arguments[-1].name}.part").write_bytes(b"half")
            raise KeyboardInterrupt
        counted(*arguments)

    def counted(*arguments: Any) -> None:
        copied.append(arguments[-1].name)
        copy(*arguments)

    def no_manifest(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(volumes, "_copy", interrupted)
        broken.setattr(volumes, "_write_plain", no_manifest)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "out", keys)
    assert not (tmp_path / "out").exists()
    first = [*copied]
    copied.clear()
    monkeypatch.setattr(volumes, "_copy", counted)
    write(tmp_path / "out", keys)
    assert sorted(first + copied) == sorted(name.partition("/")[2] for _, name, _ in whole.manifest.numbered())
    assert tree(tmp_path / "out") == tree(whole.folder)
    assert not (tmp_path / "out.partial").exists()


def test_what_was_damaged_or_left_by_other_contents_meanwhile_does_not_stay(tmp_path: Path, keys: Keys) -> None:
    whole = write(tmp_path / "whole", keys)
    partial = tmp_path / "out.partial"
    shutil.copytree(whole.folder, partial)
    damaged = sorted((partial / "objects").iterdir())[0]
    damaged.write_bytes(bytes(damaged.stat().st_size))
    (partial / "objects" / "0.000").write_bytes(b"of another bundle")
    (partial / "stray" / "deep").mkdir(parents=True)
    (partial / "stray" / "deep" / "file").write_bytes(b"")
    (partial / "dangling").symlink_to("nowhere")
    assert write(tmp_path / "out", keys).new
    assert tree(tmp_path / "out") == tree(whole.folder)
    assert not (tmp_path / "out" / "dangling").is_symlink()


def test_a_file_that_changes_while_it_is_written_is_found(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def changed(*arguments: Any) -> None:
        path.write_bytes(b"after!")

    monkeypatch.setattr(volumes, "_check_space", changed)
    with pytest.raises(InputError, match=r"file: changed while the bundle was written"):
        write_bundle(HEADER, {"x": Source(path, "result")}, tmp_path / "out", keys.private)
    assert not (tmp_path / "out").exists()


def test_space_is_asked_for_before_anything_is_written(
    tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        f_bavail, f_frsize, f_files, f_favail = 0, 4096, 10, 10

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    with pytest.raises(NoSpace, match="no room for the bundle") as refused:
        write(tmp_path / "out", keys)
    assert refused.value.exit_code == 14
    assert not (tmp_path / "out").exists()
    assert not any(path.is_file() for path in (tmp_path / "out.partial").rglob("*"))


def test_one_process_writes_a_bundle_at_a_time(tmp_path: Path, keys: Keys) -> None:
    partial = tmp_path / "out.partial"
    partial.mkdir()
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process writes this bundle"):
            write(tmp_path / "out", keys)
    finally:
        os.close(handle)
    assert write(tmp_path / "out", keys).new


def test_all_paths_that_no_bundle_can_hold_are_named(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(InputError) as refused:
        write(tmp_path / "out", keys, {"../up": b"", "a\\b": b"", "A": b"", "a": b""})
    assert str(refused.value).splitlines() == [
        "no bundle can hold these paths:",
        "'../up' holds the part '..'",
        "'a\\\\b' holds a backslash",
        "'A' and 'a' are one file where case does not count",
    ]
    with pytest.raises(InputError, match="there is no file"):
        write(tmp_path / "out", keys, {})
    with pytest.raises(InputError, match="no such file"):
        write_bundle(HEADER, {"x": Source(tmp_path / "lost", "result")}, tmp_path / "out", keys.private)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_that_one_stands_in_is_filled(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = write(Path("."), keys)
    assert made.folder == tmp_path / "here"
    verify(tmp_path / "here", keys.public)


def test_a_place_where_no_folder_can_be_is_refused_and_nothing_left(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").symlink_to("empty")
    (tmp_path / "file").write_text("x")
    (tmp_path / "taken.partial").write_text("x")
    before = sorted(tmp_path.iterdir())
    for name, message in [
        ("dangling", "is a link"),
        ("linked", "is a link"),
        ("file/below", "something on the way is no folder"),
        ("taken", "something on the way is no folder"),
    ]:
        with pytest.raises(InputError, match=message):
            write(tmp_path / name, keys)
    assert sorted(tmp_path.iterdir()) == before
