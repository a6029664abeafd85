from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

import nerkd_local
from nerkd_local.bundle import receive as receiving
from nerkd_local.bundle.manifest import Manifest, read_manifest
from nerkd_local.bundle.missing import run as run_missing
from nerkd_local.bundle.receive import missing_base, missing_volumes, receive
from nerkd_local.bundle.refusals import BadSignature, Corrupt, Incomplete, NoSpace, Refused
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import read_public_key
from nerkd_local.bundle.tool import main
from nerkd_local.bundle.verify import verify_received
from nerkd_local.errors import InputError
from tests.bundle.samples import FILES, Keys, copied, fails_to_open, make_bundle, tree


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "bundle")


def manifest_of(folder: Path) -> Manifest:
    return read_manifest((folder / "bundle.json").read_bytes())


def names(folder: Path) -> list[str]:
    """The volumes' names by number."""
    return [name for _, name, _ in manifest_of(folder).numbered()]


def test_a_bundle_is_copied_in_whole_and_the_medium_left_alone(whole: Path, root: Root, sender: Keys) -> None:
    before = tree(whole)
    received = receive(whole, root, sender.public)
    assert received.version == manifest_of(whole).version
    assert received.copied_bytes == sum(map(len, set(FILES.values())))
    assert received.kept_bytes == 0
    assert tree(whole) == before
    version = received.version
    expected = {name: content for name, content in before.items() if name.startswith("objects/")}
    expected |= {f"bundles/{version}/{name}": before[name] for name in ("bundle.json", "bundle.sig")}
    expected |= {"key.pem": sender.public.read_bytes(), "lock": b""}
    assert tree(root.path) == expected
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in root.objects.iterdir())


def test_receiving_again_copies_nothing_and_needs_no_key(whole: Path, root: Root, sender: Keys) -> None:
    first = receive(whole, root, sender.public)
    before = {path: path.stat().st_mtime_ns for path in root.path.rglob("*") if path.is_file()}
    second = receive(whole, root)
    assert second.copied_bytes == 0
    assert second.kept_bytes == first.copied_bytes
    assert {path: path.stat().st_mtime_ns for path in root.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_do_not_follow_the_umask(whole: Path, root: Root, sender: Keys, mask: int) -> None:
    before = os.umask(mask)
    try:
        receive(whole, root, sender.public)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in root.objects.iterdir()} == {0o444}
    folders = [root.path, *(path for path in root.path.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o755}  # others use what is installed there


def test_several_media_make_one_bundle_in_any_order(whole: Path, root: Root, sender: Keys, tmp_path: Path) -> None:
    for medium, wanted in enumerate((slice(4, 6), slice(0, 2), slice(1, 4))):
        part = copied(whole, tmp_path / f"medium{medium}")
        keep = set(names(whole)[wanted])
        for name in set(names(whole)) - keep:
            (part / name).unlink()
        if medium == 2:
            assert receive(part, root).copied_bytes
        else:
            with pytest.raises(Incomplete) as caught:
                receive(part, root, sender.public)
            assert ("1-4 of 6" if medium == 0 else "3-4 of 6") in str(caught.value)
    verify_received(root, manifest_of(whole).version)


def test_a_bad_volume_is_named_and_the_others_are_taken_in(bundle: Path, root: Root, sender: Keys) -> None:
    spoilt, gone = names(bundle)[2], names(bundle)[4]
    content = (bundle / spoilt).read_bytes()
    (bundle / spoilt).write_bytes(b"\1" + content[1:])
    (bundle / gone).unlink()
    with pytest.raises(Corrupt) as caught:
        receive(bundle, root, sender.public)
    assert f"{spoilt} (volume 3)" in str(caught.value)
    assert '"3 5 of 6"' in str(caught.value)
    assert missing_volumes(root, manifest_of(bundle)) == [3, 5]
    assert not list(root.objects.glob("*.part"))
    (bundle / spoilt).write_bytes(content)
    with pytest.raises(Incomplete, match="5 of 6"):
        receive(bundle, root)


def test_a_volume_that_cannot_be_opened_is_named_and_the_others_are_taken_in(
    whole: Path, root: Root, sender: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        fails_to_open(patched, names(whole)[1].rpartition("/")[2])
        with pytest.raises(Corrupt, match="Input/output error"):
            receive(whole, root, sender.public)
    assert missing_volumes(root, manifest_of(whole)) == [2]
    assert not list(root.objects.glob("*.part"))
    assert receive(whole, root).copied_bytes == manifest_of(whole).numbered()[1][2].size


def test_a_volume_that_goes_away_meanwhile_is_missing(
    bundle: Path, root: Root, sender: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object, **options: object) -> None:
        (bundle / names(bundle)[5]).unlink()

    monkeypatch.setattr(receiving, "require_space", away)
    with pytest.raises(Incomplete, match='"6 of 6"'):
        receive(bundle, root, sender.public)
    assert missing_volumes(root, manifest_of(bundle)) == [6]
    assert not list(root.objects.glob("*.part"))


def test_nobody_else_may_write_there_whatever_the_umask_lets(whole: Path, root: Root, sender: Keys) -> None:
    before = os.umask(0)
    try:
        receive(whole, root, sender.public)
    finally:
        os.umask(before)
    assert [path for path in (root.path, *root.path.rglob("*")) if path.stat().st_mode & 0o022] == []


def test_what_the_store_lost_or_spoilt_since_is_copied_again(whole: Path, root: Root, sender: Keys) -> None:
    receive(whole, root, sender.public)
    flipped, short, link, gone, *_ = (root.path / name for name in names(whole))
    flipped.write_bytes(bytes(byte ^ 1 for byte in flipped.read_bytes()) or b"\0")
    short.write_bytes(b"")
    link.unlink()
    link.symlink_to("/etc/passwd")
    gone.unlink()
    receive(whole, root)
    verify_received(root, manifest_of(whole).version)


@pytest.mark.parametrize("case", ["extra", "pyz", "objects", "link"])
def test_what_is_wrong_around_the_volumes_stops_it_before_anything_is_copied(
    bundle: Path, root: Root, sender: Keys, case: str
) -> None:
    if case == "extra":
        (bundle / "autorun.inf").write_bytes(b"")
    elif case == "pyz":
        (bundle / "nerkd-bundle.pyz").write_bytes(b"evil")
    elif case == "objects":
        (bundle / "objects" / "extra").mkdir()
    else:
        (bundle / names(bundle)[0]).unlink()
        (bundle / names(bundle)[0]).symlink_to("/dev/zero")
    with pytest.raises(Corrupt):
        receive(bundle, root, sender.public)
    assert not root.objects.exists()
    assert not root.key.exists()


def test_without_the_files_beside_it_a_bundle_is_received(bundle: Path, root: Root, sender: Keys) -> None:
    (bundle / "START-HERE.txt").unlink()
    receive(bundle, root, sender.public)


class TestKey:
    def test_the_first_bundle_needs_it(self, whole: Path, root: Root) -> None:
        with pytest.raises(InputError, match="--key"):
            receive(whole, root)
        assert not root.objects.exists()

    def test_it_is_pinned_only_by_a_bundle_that_it_signed(
        self, whole: Path, root: Root, sender: Keys, stranger: Keys
    ) -> None:
        with pytest.raises(BadSignature):
            receive(whole, root, stranger.public)
        assert not root.key.exists()
        receive(whole, root, sender.public)
        assert root.key.read_bytes() == sender.public.read_bytes()

    def test_another_one_later_is_refused_with_both_fingerprints(
        self, whole: Path, root: Root, sender: Keys, stranger: Keys, tmp_path: Path
    ) -> None:
        receive(whole, root, sender.public)
        theirs = make_bundle(tmp_path / "theirs", stranger).folder
        before = tree(root.path)
        with pytest.raises(BadSignature) as caught:
            receive(theirs, root, stranger.public)
        for keys in (sender, stranger):
            assert read_public_key(keys.public).fingerprint in str(caught.value)
        with pytest.raises(BadSignature, match=read_public_key(sender.public).fingerprint):
            receive(theirs, root)
        assert tree(root.path) == before

    def test_the_pinned_one_may_be_given_again(self, whole: Path, root: Root, sender: Keys) -> None:
        receive(whole, root, sender.public)
        receive(whole, root, sender.public)


def test_results_are_not_received(root: Root, sender: Keys, tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "results", sender, {"report.html": b"<p>"}, kind="results")
    with pytest.raises(InputError, match="unpack"):
        receive(made.folder, root, sender.public)


def test_objects_elsewhere_behind_a_link_are_refused(whole: Path, root: Root, sender: Keys, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root.path.mkdir()
    root.objects.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        receive(whole, root, sender.public)


def test_only_one_at_a_time(whole: Path, root: Root, sender: Keys) -> None:
    with root.locked(), pytest.raises(InputError, match="another"):
        receive(whole, root, sender.public)


class TestDelta:
    def test_it_takes_its_own_volumes_and_needs_those_of_the_earlier_one(
        self, whole: Path, root: Root, sender: Keys, tmp_path: Path
    ) -> None:
        files = {**FILES, "data/dev.txt": b"Other text.\n"}
        delta = make_bundle(tmp_path / "delta", sender, files, sequence=2, earlier=manifest_of(whole))
        with pytest.raises(Incomplete, match="sequence 1 first"):
            receive(delta.folder, root, sender.public)
        assert missing_volumes(root, delta.manifest) == []
        assert missing_base(root, delta.manifest) == 5
        receive(whole, root)
        assert missing_base(root, delta.manifest) == 0
        assert receive(delta.folder, root).copied_bytes == 0
        assert root.received_versions() == [manifest_of(whole).version, delta.manifest.version]
        verify_received(root, delta.manifest.version)


class TestSpace:
    def test_it_is_asked_for_first(
        self, whole: Path, root: Root, sender: Keys, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Full:
            f_bavail, f_frsize, f_files, f_favail = 100, 1024, 0, 0

        monkeypatch.setattr(os, "statvfs", lambda path: Full)
        with pytest.raises(NoSpace) as caught:
            receive(whole, root, sender.public)
        assert caught.value.exit_code == 14
        assert not list(root.objects.iterdir())

    def test_a_disk_that_fills_all_the_same_leaves_whole_volumes_only(
        self,
        whole: Path,
        root: Root,
        sender: Keys,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        written, write = [0], os.write

        def fills(handle: int, piece: memoryview) -> int:
            written[0] += len(piece)
            if written[0] > 2100:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(handle, piece)

        arguments = ["receive", str(whole), "--root", str(root.path), "--key", str(sender.public)]
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fills)
            assert main(arguments) == 14
        assert "make room" in capsys.readouterr().err
        stored = [path.name for path in root.objects.iterdir()]
        assert stored
        assert not [name for name in stored if name.endswith(".part")]
        assert main(arguments) == 0
        assert "were here and are good" in capsys.readouterr().out


PACKAGE = str(Path(nerkd_local.__file__).parents[1])
KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path

    at, calls = int(sys.argv[1]), 0

    def dying(function):
        def call(*arguments, **options):
            global calls
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call

    for name in ("write", "fsync", "rename", "replace", "unlink", "mkdir", "open", "fchmod", "close", "readv"):
        setattr(os, name, dying(getattr(os, name)))

    sys.path.insert(0, sys.argv[5])
    from nerkd_local.bundle import hashing, signature
    hashing.PIECE = 600
    signature.check_signature = lambda *_: None  # not what is killed here
    from nerkd_local.bundle import signed
    signed.check_signature = signature.check_signature
    from nerkd_local.bundle.receive import receive
    from nerkd_local.bundle.root import Root

    receive(Path(sys.argv[2]), Root(Path(sys.argv[3])), Path(sys.argv[4]))
    print(calls)
    """
)
"""Receives, and kills itself before the n-th call that changes or reads something; says how many there are."""


def killed(at: int, whole: Path, root: Root, sender: Keys) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", KILLED, str(at), str(whole), str(root.path), str(sender.public), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_killed_before_any_call_the_same_command_goes_on_to_the_same_store(
    whole: Path, tmp_path: Path, sender: Keys
) -> None:
    unbroken = Root(tmp_path / "unbroken")
    calls = int(killed(0, whole, unbroken, sender).stdout)
    assert calls > 100, "nothing was counted"
    expected = tree(unbroken.path)
    manifest = manifest_of(whole)
    for at in range(1, calls + 1):
        root = Root(tmp_path / "root")
        done = killed(at, whole, root, sender)
        assert done.returncode == -signal.SIGKILL, done.stderr
        for path in root.objects.glob("*") if root.objects.is_dir() else ():
            if path.suffix != ".part":  # what has its name is whole
                assert path.read_bytes() == expected[f"objects/{path.name}"]
        held = len(manifest.numbered()) - len(missing_volumes(root, manifest))
        received = receive(whole, root, sender.public)
        assert bool(received.kept_bytes) >= (held > 1)
        assert tree(root.path) == expected, f"killed before call {at}"
        shutil.rmtree(root.path)


@pytest.mark.slow
def test_killed_wherever_it_is_again_and_again_it_comes_to_the_same_store(tmp_path: Path, sender: Keys) -> None:
    draw = random.Random(5)
    files = {f"data/{number}": draw.randbytes(900) for number in range(120)}
    large = make_bundle(tmp_path / "large", sender, files).folder
    unbroken, root = Root(tmp_path / "unbroken"), Root(tmp_path / "root")
    receive(large, unbroken, sender.public)
    command = [
        sys.executable, "-c", "import sys; from nerkd_local.bundle.tool import main; sys.exit(main())", "receive",
        str(large), "--root", str(root.path), "--key", str(sender.public),
    ]  # fmt: skip
    root.objects.mkdir(parents=True)
    kills = 0
    while True:
        enough = len(list(root.objects.iterdir())) + draw.randrange(1, 20)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and len(os.listdir(root.objects)) < enough:
            time.sleep(0.0005)
        process.kill()
        _, said = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
        kills += 1
    assert kills >= 3
    assert tree(root.path) == tree(unbroken.path)


class TestMissing:
    def test_the_list_is_printed_again_without_the_medium(
        self, bundle: Path, root: Root, sender: Keys, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for number in (1, 2, 3, 6):
            (bundle / names(bundle)[number - 1]).unlink()
        with pytest.raises(Incomplete):
            receive(bundle, root, sender.public)
        shutil.rmtree(bundle)
        assert main(["missing", "--root", str(root.path)]) == 10
        assert 'resend BUNDLE "1-3 6 of 6" MEDIUM' in capsys.readouterr().err

    def test_nothing_missing_is_said(
        self, whole: Path, root: Root, sender: Keys, capsys: pytest.CaptureFixture[str]
    ) -> None:
        version = receive(whole, root, sender.public).version
        assert main(["missing", version, "--root", str(root.path)]) == 0
        assert "nothing is missing" in capsys.readouterr().out

    def test_before_the_first_bundle_there_is_none_to_ask_for(self, root: Root) -> None:
        with pytest.raises(InputError, match="no bundle was received"):
            run_missing(argparse.Namespace(root=root.path, version=None))


def test_the_verb_says_the_key_the_hash_and_what_comes_next(
    whole: Path, root: Root, sender: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["receive", str(whole), "--root", str(root.path), "--key", str(sender.public)]) == 0
    said = capsys.readouterr().out
    assert read_public_key(sender.public).fingerprint in said
    assert manifest_of(whole).root_hash in said
    assert f"nerkd-bundle install {manifest_of(whole).version}" in said
    assert main(["receive", str(whole), "--root", str(root.path)]) == 0
    assert "pinned" not in capsys.readouterr().out


def test_a_manifest_that_was_kept_and_spoilt_is_kept_anew(whole: Path, root: Root, sender: Keys) -> None:
    version = receive(whole, root, sender.public).version
    (root.bundle(version) / "bundle.json").write_bytes(b"{}")
    (root.bundle(version) / "bundle.sig").unlink()
    with pytest.raises(Refused):
        verify_received(root, version)
    receive(whole, root)
    verify_received(root, version)


def test_a_lower_sequence_is_received_all_the_same(whole: Path, root: Root, sender: Keys, tmp_path: Path) -> None:
    """What is refused is to install it: an earlier bundle may be what a delta goes on from."""
    later = make_bundle(tmp_path / "later", sender, sequence=5)
    receive(later.folder, root, sender.public)
    receive(whole, root)
    assert replace(later.manifest, sequence=1) == manifest_of(whole)
