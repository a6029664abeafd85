from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nerkd_local.bundle.create.volumes import Header, Source, write_bundle
from nerkd_local.bundle.manifest import Manifest, read_manifest
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.refusals import BadSignature, Corrupt, Incomplete
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import read_public_key
from nerkd_local.bundle.tool import main
from nerkd_local.bundle.verify import describe, verify, verify_received
from nerkd_local.errors import InputError
from tests.bundle.samples import FILES, Keys, copied, fails_to_open, make_bundle, put_manifest, tree


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return copied(whole, tmp_path / "bundle")


def manifest_of(folder: Path) -> Manifest:
    return read_manifest((folder / "bundle.json").read_bytes())


def volumes(folder: Path) -> list[Path]:
    """The volumes by number."""
    return [folder / name for _, name, _ in manifest_of(folder).numbered()]


def test_a_whole_bundle_is_good_and_nothing_in_it_is_changed(bundle: Path, sender: Keys) -> None:
    before = tree(bundle)
    verified = verify(bundle, sender.public)
    assert verified.manifest == manifest_of(bundle)
    assert verified.carried_bytes == sum(map(len, set(FILES.values())))
    assert verified.base_bytes == 0
    assert verified.key == read_public_key(sender.public)
    assert verified.manifest.root_hash in describe(verified)
    assert tree(bundle) == before


def test_results_are_verified_alike(tmp_path: Path, sender: Keys) -> None:
    make_bundle(tmp_path / "results", sender, {"report.html": b"<p>"}, kind="results")
    assert "text      none" in describe(verify(tmp_path / "results", sender.public))


@pytest.mark.parametrize("name", ["bundle.json", "bundle.sig", "START-HERE.txt", "nerkd-bundle.pyz", *range(6)])
@pytest.mark.parametrize("change", ["flip", "truncate", "extend", "empty", "rename", "link", "folder", "pipe"])
def test_every_change_to_every_file_is_refused(bundle: Path, sender: Keys, name: str | int, change: str) -> None:
    path = volumes(bundle)[name] if isinstance(name, int) else bundle / name
    content = path.read_bytes()
    if not content and change in ("flip", "truncate", "empty"):
        change = "extend"  # nothing can be taken from an empty file
    path.unlink()
    if change == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "truncate":
        path.write_bytes(content[:-1])
    elif change == "extend":
        path.write_bytes(content + b"\0")
    elif change == "empty":
        path.write_bytes(b"")
    elif change == "rename":
        path.with_name(f"{path.name}~").write_bytes(content)
    elif change == "link":
        (bundle.parent / "same").write_bytes(content)
        path.symlink_to(bundle.parent / "same")
    elif change == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    signed = name in ("bundle.json", "bundle.sig")
    expected = BadSignature if signed and change in ("flip", "truncate", "extend", "empty") else Corrupt
    if change == "rename" and signed:
        expected = Incomplete if name == "bundle.json" else BadSignature
    with pytest.raises(expected):
        verify(bundle, sender.public)


@pytest.mark.parametrize("name", ["extra", "objects/extra", ".hidden", "objects/.DS_Store", "BUNDLE.JSON", "Objects"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_does_not_belong_is_refused_and_named(bundle: Path, sender: Keys, name: str, kind: str) -> None:
    path = bundle / name
    if kind == "file":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("bundle.json")
    with pytest.raises(Corrupt, match=name):
        verify(bundle, sender.public)


def test_a_name_that_plays_with_the_terminal_is_escaped(bundle: Path, sender: Keys) -> None:
    (bundle / "\x1b[2Jfine\n").write_bytes(b"")
    (bundle / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(Corrupt) as caught:
        verify(bundle, sender.public)
    assert r"\x1b[2Jfine\n" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    str(caught.value).encode()


def test_the_objects_may_not_be_elsewhere(bundle: Path, sender: Keys) -> None:
    (bundle / "objects").rename(bundle.parent / "elsewhere")
    (bundle / "objects").symlink_to(bundle.parent / "elsewhere")
    with pytest.raises(Corrupt, match=r"a plain folder\n.*symbolic link"):
        verify(bundle, sender.public)


def test_a_second_hard_link_is_no_reason_to_refuse(bundle: Path, sender: Keys) -> None:
    os.link(bundle / "bundle.sig", bundle.parent / "second")
    verify(bundle, sender.public)


def test_the_folder_itself_may_be_reached_through_a_link(bundle: Path, sender: Keys) -> None:
    (bundle.parent / "medium").symlink_to(bundle)
    verify(bundle.parent / "medium", sender.public)


def test_two_volumes_swapped_are_both_named(bundle: Path, sender: Keys) -> None:
    first, second = [path for path in volumes(bundle) if path.name.endswith((".000", ".001"))][-2:]
    first.rename(bundle / "held")
    second.rename(first)
    (bundle / "held").rename(second)
    with pytest.raises(Corrupt, match="2 files") as caught:
        verify(bundle, sender.public)
    assert first.name in str(caught.value)
    assert second.name in str(caught.value)


def test_everything_that_is_wrong_is_listed_and_missing_ones_are_sent_along(bundle: Path, sender: Keys) -> None:
    paths = volumes(bundle)
    paths[0].write_bytes(b"longer than before, whatever it was, by a good deal" * 100)
    paths[3].unlink()
    (bundle / "extra").write_bytes(b"")
    with pytest.raises(Corrupt) as caught:
        verify(bundle, sender.public)
    text = str(caught.value)
    assert "2 files" in text
    assert "(volume 1)" in text
    assert f'resend BUNDLE "1 4 of {len(paths)}" MEDIUM' in text
    assert "take away" in text


def test_a_thousand_foreign_files_do_not_fill_the_screen(bundle: Path, sender: Keys) -> None:
    for number in range(1000):
        (bundle / f"extra{number}").write_bytes(b"")
    with pytest.raises(Corrupt, match="980 more") as caught:
        verify(bundle, sender.public)
    assert len(str(caught.value).splitlines()) < 30


def test_missing_volumes_are_a_short_list(bundle: Path, sender: Keys) -> None:
    paths = volumes(bundle)
    for number in (2, 3, 5):
        paths[number - 1].unlink()
    (bundle / "START-HERE.txt").unlink()
    with pytest.raises(Incomplete) as caught:
        verify(bundle, sender.public)
    assert f"2-3 5 of {len(paths)}" in str(caught.value)
    assert "START-HERE.txt missing" in str(caught.value)
    assert caught.value.exit_code == 10


def test_without_any_objects_all_of_them_are_missing(bundle: Path, sender: Keys) -> None:
    for path in volumes(bundle):
        path.unlink()
    (bundle / "objects").rmdir()
    with pytest.raises(Incomplete, match="1-6 of 6"):
        verify(bundle, sender.public)


def test_a_folder_without_a_manifest_is_explained(tmp_path: Path, sender: Keys) -> None:
    with pytest.raises(Incomplete, match=r"bundle\.json"):
        verify(tmp_path, sender.public)


def test_the_signature_comes_first(bundle: Path, stranger: Keys) -> None:
    for path in volumes(bundle):
        path.write_bytes(b"spoilt")
    (bundle / "extra").write_bytes(b"")
    with pytest.raises(BadSignature):
        verify(bundle, stranger.public)


def spoil(old: str, new: str) -> Callable[[Manifest], bytes]:
    def change(manifest: Manifest) -> bytes:
        content = manifest.content.replace(old.encode(), new.encode(), 1)
        assert content != manifest.content
        return content

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoil('"path":"data/dev.txt"', '"path":"../dev.txt"'),
        spoil('"path":"data/dev.txt"', '"path":"/etc/cron.d/x"'),
        spoil('"path":"data/dev.txt"', '"path":"data\\\\dev.txt"'),
        spoil('"path":"data/dev.txt"', '"path":"configs/EMPTY.yaml"'),
        spoil('"path":"START-HERE.txt"', '"path":"BUNDLE.SIG"'),
        spoil('"path":"START-HERE.txt"', '"path":"a/b"'),
        spoil('"schema":1', '"schema":1,"schema":1'),
        spoil('"schema":1', '"schema":2'),
        spoil('"sequence":1', '"sequence":1e0'),
        spoil(",", ", "),
        lambda manifest: b"",
        lambda manifest: b"[" * 100_000,
        lambda manifest: b"\xef\xbb\xbf" + manifest.content,
        lambda manifest: manifest.content[:-1],
        lambda manifest: replace(manifest, objects=manifest.objects[1:]).content,
        lambda manifest: replace(manifest, objects=manifest.objects[::-1]).content,
        lambda manifest: replace(manifest, files=manifest.files[1:]).content,
        lambda manifest: replace(manifest, sequence=0).content,
        lambda manifest: replace(manifest, name="Sam\x1b").content,
    ],
)
def test_a_manifest_that_cannot_be_is_refused_though_the_key_signed_it(
    bundle: Path, sender: Keys, change: Callable[[Manifest], bytes]
) -> None:
    content = change(manifest_of(bundle))
    put_manifest(bundle, content or b"{}", sender)
    with pytest.raises(Corrupt, match="manifest"):
        verify(bundle, sender.public)


def test_volumes_that_do_not_make_up_the_whole_are_found(bundle: Path, sender: Keys) -> None:
    """A sender's tool with a fault: each volume as signed, and the object's hash another one."""
    manifest = manifest_of(bundle)
    (long,) = (each for each in manifest.objects if len(each.volumes) > 1)
    other = "0" * 64
    for number in range(len(long.volumes)):
        (bundle / long.volume_name(number)).rename(bundle / f"objects/{other}.{number:03}")
    objects = sorted(
        (replace(each, sha256=other) if each == long else each for each in manifest.objects), key=lambda o: o.sha256
    )
    files = tuple(replace(file, sha256=other) if file.sha256 == long.sha256 else file for file in manifest.files)
    put_manifest(bundle, replace(manifest, objects=tuple(objects), files=files).content, sender)
    with pytest.raises(Corrupt, match="contradicts itself"):
        verify(bundle, sender.public)


def test_a_volume_that_grows_under_our_hands_is_refused(
    bundle: Path, sender: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, readv = volumes(bundle)[0], os.readv
    before = path.stat()

    def grown(handle: int, buffers: list[memoryview]) -> int:
        if os.path.samestat(os.fstat(handle), before) and os.fstat(handle).st_size == before.st_size:
            with path.open("ab") as stream:
                stream.write(b"\0")
        return readv(handle, buffers)

    monkeypatch.setattr(os, "readv", grown)
    with pytest.raises(Corrupt, match="SHA-256"):
        verify(bundle, sender.public)


def test_a_medium_with_a_fault_is_said_and_the_rest_is_read(
    bundle: Path, sender: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = volumes(bundle)
    paths[-1].unlink()
    bad, readv = os.stat(paths[0]), os.readv

    def fails(handle: int, buffers: list[memoryview]) -> int:
        if os.path.samestat(os.fstat(handle), bad):
            raise OSError(5, "Input/output error")
        return readv(handle, buffers)

    monkeypatch.setattr(os, "readv", fails)
    with pytest.raises(Corrupt, match="Input/output error") as caught:
        verify(bundle, sender.public)
    assert '"1 6 of 6"' in str(caught.value)


@pytest.mark.parametrize("max_volume", [1 << 30, 7_000_000])
def test_every_byte_is_read_once_and_few_are_held(tmp_path: Path, sender: Keys, max_volume: int) -> None:
    size = 40_000_000
    with (tmp_path / "content").open("wb") as stream:
        stream.truncate(size)
    header = Header("results", "large", 1, "2026-01-02T03:04:05Z", text="none")
    sources = {"content": Source(tmp_path / "content", "result")}
    bundle = write_bundle(header, sources, tmp_path / "large", sender.private, max_volume=max_volume).folder
    key = read_public_key(sender.public)
    verify(bundle, key)  # whatever is imported and made once
    tracemalloc.start()
    try:
        before = bytes_read()
        verify(bundle, key)
        read = bytes_read() - before
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size <= read < 1.05 * size
    assert peak < 4_000_000


def bytes_read() -> int:
    """By this process, since it started."""
    return int(Path("/proc/self/io").read_text().split()[1])


class TestDelta:
    @pytest.fixture
    def delta(self, whole: Path, sender: Keys, tmp_path: Path) -> Path:
        files = {**FILES, "data/dev.txt": b"Other text.\n"}
        made = make_bundle(tmp_path / "delta", sender, files, sequence=2, earlier=manifest_of(whole))
        assert sum(each.carried for each in made.manifest.objects) == 1
        return made.folder

    def test_what_it_goes_on_from_is_said_to_be_unseen_without_a_store(self, delta: Path, sender: Keys) -> None:
        verified = verify(delta, sender.public)
        assert verified.base_bytes is None
        assert "not looked at" in describe(verified)

    def test_with_a_store_that_has_it_all_of_it_is_checked(
        self, whole: Path, delta: Path, sender: Keys, tmp_path: Path
    ) -> None:
        root = Root(tmp_path / "root")
        receive(whole, root, sender.public)
        verified = verify(delta, sender.public, store=root)
        assert verified.base_bytes == sum(each.size for each in verified.manifest.objects if not each.carried)
        bad = root.path / next(each for each in verified.manifest.objects if not each.carried).volume_name(0)
        bad.unlink()
        with pytest.raises(Incomplete, match="sequence 1 first"):
            verify(delta, sender.public, store=root)
        bad.write_bytes(b"\1" * 2000)
        with pytest.raises(Corrupt, match=bad.name):
            verify(delta, sender.public, store=root)

    def test_what_the_store_has_spoilt_is_looked_for_there_and_not_on_the_medium(
        self, delta: Path, whole: Path, sender: Keys, tmp_path: Path
    ) -> None:
        root = Root(tmp_path / "root")
        receive(whole, root, sender.public)
        name = next(each.volume_name(0) for each in manifest_of(delta).objects if not each.carried and each.size > 1)
        (root.path / name).chmod(0o644)
        (root.path / name).write_bytes(b"\1")
        with pytest.raises(Corrupt) as caught:
            verify(delta, sender.public, store=root)
        assert str(caught.value.where) == str(root.path / name)
        assert caught.value.next_step == (f"receive the bundle with sequence 1 again ({manifest_of(whole).root_hash})")
        (delta / "extra").write_bytes(b"")
        with pytest.raises(Corrupt) as both:
            verify(delta, sender.public, store=root)
        assert f"\n            {root.path / name}: " in str(both.value)
        assert "again" in str(both.value)
        assert "take away what does not belong" in str(both.value)

    def test_with_a_store_that_is_not_there_all_of_it_is_missing(
        self, delta: Path, sender: Keys, tmp_path: Path
    ) -> None:
        with pytest.raises(Incomplete, match="volumes of the earlier bundle"):
            verify(delta, sender.public, store=Root(tmp_path / "none"))


class TestReceived:
    @pytest.fixture
    def root(self, whole: Path, sender: Keys, tmp_path: Path) -> Root:
        root = Root(tmp_path / "root")
        receive(whole, root, sender.public)
        return root

    def test_a_received_bundle_is_verified_again_from_the_store(self, root: Root) -> None:
        (version,) = root.received_versions()
        verified = verify_received(root, version)
        assert verified.manifest.version == version
        assert verified.carried_bytes == sum(each.size for each in verified.manifest.objects)

    def test_what_happened_to_it_since_is_found(self, root: Root, stranger: Keys) -> None:
        (version,) = root.received_versions()
        path = next(iter(sorted(root.objects.iterdir())))
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(Incomplete, match="1 of 6"):
            verify_received(root, version)
        path.write_bytes(content + b"\0")
        with pytest.raises(Corrupt, match=path.name):
            verify_received(root, version)
        path.unlink()
        path.symlink_to("/dev/null")
        with pytest.raises(Corrupt, match="symbolic link"):
            verify_received(root, version)
        with pytest.raises(BadSignature):
            verify_received(root, version, read_public_key(stranger.public))

    def test_another_bundles_manifest_does_not_pass_for_it(self, root: Root, sender: Keys) -> None:
        (version,) = root.received_versions()
        manifest = read_manifest((root.bundle(version) / "bundle.json").read_bytes())
        put_manifest(root.bundle(version), replace(manifest, sequence=7).content, sender)
        with pytest.raises(Corrupt, match="another bundle's"):
            verify_received(root, version)

    def test_an_unknown_version_is_answered_with_those_there_are(self, root: Root) -> None:
        with pytest.raises(InputError, match=root.received_versions()[0]):
            verify_received(root, "000009-000000000000")


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_a_file_that_cannot_be_opened_is_named_and_the_rest_is_read(
    bundle: Path, sender: Keys, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    bad, worse = volumes(bundle)[1:3]
    worse.write_bytes(b"\1")
    fails_to_open(monkeypatch, bad.name, error=error)
    with pytest.raises(Corrupt) as caught:
        verify(bundle, sender.public)
    assert f"{bad.name} (volume 2): {os.strerror(error)}" in str(caught.value)
    assert f"{worse.name} (volume 3)" in str(caught.value)
    assert '"2-3 of 6"' in str(caught.value)


@pytest.mark.parametrize("name", ["bundle.json", "bundle.sig"])
def test_a_manifest_or_signature_that_cannot_be_read_is_named(
    bundle: Path, sender: Keys, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fails_to_open(monkeypatch, name)
    with pytest.raises(Corrupt) as caught:
        verify(bundle, sender.public)
    assert caught.value.where == bundle / name
    assert "the medium has a fault" in str(caught.value)


def test_a_folder_with_the_name_of_a_received_version_is_not_taken_for_it(
    bundle: Path, sender: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Root(tmp_path / "root")
    version = receive(bundle, root, sender.public).version
    next(path for path in root.objects.iterdir() if path.stat().st_size).unlink()
    monkeypatch.chdir(tmp_path)
    bundle.rename(tmp_path / version)  # where the command is typed: on a medium, say
    assert main(["verify", version, "--root", str(root.path)]) == 10
    assert main(["verify", f"./{version}", "--root", str(root.path)]) == 0
