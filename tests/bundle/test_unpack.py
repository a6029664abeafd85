"""A verified bundle as plain files: all of them or none, checked again while they are copied."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.bundle import tool
from nerkd_local.bundle import unpack as unpacking
from nerkd_local.bundle.pyz import write_pyz
from nerkd_local.bundle.refusals import BadSignature, Corrupt, Incomplete, NoSpace
from nerkd_local.bundle.signature import PublicKey, read_public_key
from nerkd_local.bundle.unpack import unpack
from nerkd_local.bundle.verify import verify
from nerkd_local.errors import InputError
from tests.bundle.samples import FILES, Keys, make_bundle, tree


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def key(keys: Keys) -> PublicKey:
    return read_public_key(keys.public)


@pytest.fixture
def bundle(tmp_path: Path, keys: Keys) -> Path:
    """Of results; one file in three volumes, and one without content."""
    return make_bundle(tmp_path / "bundle", keys, kind="results").folder


@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_files_are_laid_out_under_their_names_for_whom_the_umask_lets(
    bundle: Path, key: PublicKey, tmp_path: Path, mask: int
) -> None:
    target = tmp_path / "deep" / "results"
    old = os.umask(mask)
    try:
        manifest = unpack(bundle, target, key)
    finally:
        os.umask(old)
    assert tree(target) == dict(FILES)
    assert manifest.kind == "results"
    for path in (target, *target.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~mask
    assert [path.name for path in target.parent.iterdir()] == ["results"]


def test_again_writes_nothing(bundle: Path, key: PublicKey, tmp_path: Path) -> None:
    target = tmp_path / "results"
    target.mkdir()  # an empty folder is as good as none
    unpack(bundle, target, key)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    unpack(bundle, target, key)
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


@pytest.mark.parametrize("change", ["another content", "another size", "a file more", "a file less", "a link"])
def test_a_folder_with_anything_else_is_left_alone(bundle: Path, key: PublicKey, tmp_path: Path, change: str) -> None:
    target = tmp_path / "results"
    unpack(bundle, target, key)
    file = target / "data/dev.txt"
    match change:
        case "another content":
            file.write_bytes(FILES["data/dev.txt"][::-1])
        case "another size":
            file.write_bytes(FILES["data/dev.txt"] + b"!")
        case "a file more":
            (target / "more").write_text("")
        case "a file less":
            file.unlink()
        case "a link":
            file.rename(tmp_path / "dev.txt")
            file.symlink_to(tmp_path / "dev.txt")
    there = tree(target)
    with pytest.raises(InputError, match="holds other files already"):
        unpack(bundle, target, key)
    assert tree(target) == there


def test_what_a_kill_left_is_removed(bundle: Path, key: PublicKey, tmp_path: Path) -> None:
    left = tmp_path / ".results.unpacking"
    (left / "data").mkdir(parents=True)
    (left / "data" / "dev.txt").write_bytes(b"half")
    (left / "other").write_bytes(b"of an earlier bundle")
    unpack(bundle, tmp_path / "results", key)
    assert tree(tmp_path / "results") == dict(FILES)
    assert not left.exists()


def test_a_kill_while_it_copies_leaves_no_folder_of_that_name(bundle: Path, keys: Keys, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from nerkd_local.bundle import unpack, signature\n"
        "write, seen = unpack._write, []\n"
        "def killed(*given):\n"
        "    write(*given); seen.append(1)\n"
        "    if len(seen) == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "unpack._write = killed\n"
        "unpack.unpack(Path(sys.argv[1]), Path(sys.argv[2]), signature.read_public_key(Path(sys.argv[3])))\n"
    )
    target = tmp_path / "results"
    done = subprocess.run([sys.executable, "-c", script, bundle, target, keys.public], check=False)
    assert done.returncode == -9
    assert not target.exists()
    assert len(tree(tmp_path / ".results.unpacking")) == 3
    unpack(bundle, target, read_public_key(keys.public))
    assert tree(target) == dict(FILES)


def test_what_is_not_what_was_signed_is_refused_and_nothing_is_written(
    bundle: Path, key: PublicKey, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    with pytest.raises(BadSignature):
        unpack(bundle, tmp_path / "results", read_public_key(Keys(stranger).public))
    volume = max((bundle / "objects").iterdir())
    content = volume.read_bytes()
    volume.unlink()
    with pytest.raises(Incomplete):
        unpack(bundle, tmp_path / "results", key)
    volume.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Corrupt):
        unpack(bundle, tmp_path / "results", key)
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / ".results.unpacking").exists()


@pytest.mark.parametrize("change", ["altered", "gone", "link"])
def test_what_changes_after_the_check_is_found_while_it_is_copied(
    bundle: Path, key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    volume = max((bundle / "objects").iterdir(), key=lambda path: path.stat().st_size)

    def verify_then_change(folder: Path, key: PublicKey, **given: object) -> object:
        found = verify(folder, key)
        content = volume.read_bytes()
        volume.unlink()
        if change == "altered":
            volume.write_bytes(content[::-1][:-1] + b"!")
        elif change == "link":
            (tmp_path / "elsewhere").write_bytes(content)
            volume.symlink_to(tmp_path / "elsewhere")
        return found

    monkeypatch.setattr(unpacking, "verify", verify_then_change)
    with pytest.raises(Corrupt):
        unpack(bundle, tmp_path / "results", key)
    assert not (tmp_path / "results").exists()


def test_where_it_is_not_unpacked(
    bundle: Path, key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in (bundle, bundle / "objects", bundle / "new", tmp_path):
        with pytest.raises(InputError, match="name another folder"):
            unpack(bundle, target, key)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(InputError, match="is no folder"):
            unpack(bundle, tmp_path / name, key)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    unpack(bundle, Path(), key)  # the folder that one stands in, empty
    assert tree(tmp_path / "here") == dict(FILES)


def test_no_room_is_said_before_anything_is_written(
    bundle: Path, key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*real[:4], 0, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    with pytest.raises(NoSpace, match="to lay the files out"):
        unpack(bundle, tmp_path / "results", key)
    assert not (tmp_path / ".results.unpacking").exists()


def test_a_delta_is_not_unpacked(bundle: Path, keys: Keys, key: PublicKey, tmp_path: Path) -> None:
    earlier = make_bundle(tmp_path / "earlier", keys).manifest
    make_bundle(tmp_path / "delta", keys, {**FILES, "data/more.txt": b"more"}, sequence=2, earlier=earlier)
    with pytest.raises(InputError, match=r"goes on from an earlier bundle \(sequence 1\)"):
        unpack(tmp_path / "delta", tmp_path / "results", key)


def test_the_tool_alone_unpacks_with_nothing_installed(bundle: Path, keys: Keys, tmp_path: Path) -> None:
    write_pyz(tmp_path / "nerkd-bundle.pyz")
    pyz, target = str(tmp_path / "nerkd-bundle.pyz"), str(tmp_path / "results")
    command = [sys.executable, "-I", "-S", pyz, "unpack", str(bundle), target, "--root", str(tmp_path / "none")]
    signed_by = ["--key", str(keys.public)]
    done = subprocess.run([*command, *signed_by], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "5 files" in done.stdout
    assert "text of the corpora: none" in done.stdout
    assert tree(tmp_path / "results") == dict(FILES)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == InputError.exit_code
    assert "no key is pinned here yet" in done.stderr


def test_errors_become_lines_and_exit_codes(
    bundle: Path, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(bundle / "objects")
    code = tool.main(["unpack", str(bundle), str(tmp_path / "results"), "--key", str(keys.public)])
    assert code == Incomplete.exit_code
    assert capsys.readouterr().err.startswith("nerkd-bundle: the bundle is not whole")
