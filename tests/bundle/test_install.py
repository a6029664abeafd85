from __future__ import annotations

import ensurepip
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.bundle import install as module
from nerkd_local.bundle.activate import activate
from nerkd_local.bundle.create.volumes import Source
from nerkd_local.bundle.install import install
from nerkd_local.bundle.pyz import write_pyz
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.refusals import (
    BadSignature,
    Corrupt,
    Incomplete,
    InstallFailed,
    LowerSequence,
    NoSpace,
    SelfTestFailed,
    WrongPlatform,
)
from nerkd_local.bundle.rollback import rollback
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import main
from nerkd_local.errors import InputError
from tests.bundle.conftest import Bundles
from tests.bundle.samples import Keys
from tests.bundle.toolkit import active_version_runs, contents, make_bundle, make_key, this_target, tree
from tests.conftest import missing


def receive_made(root: Root, bundles: Bundles, folder: Path, sequence: int, **how: Any) -> str:
    """Make a bundle, receive it; its version."""
    make_bundle(folder, bundles.private, sequence, **how)
    return receive(folder, root, bundles.public).manifest.version


def vectors(files: dict[str, Source], content: object) -> dict[str, Source]:
    return files | {"selftest.json": Source(json.dumps(content).encode(), "vectors")}


def volume_of(root: Root, bundles: Bundles, sequence: int, path: str) -> Path:
    manifest = bundles.manifests[sequence]
    (file,) = (file for file in manifest.files if file.path == path)
    return root.path / manifest.by_hash[file.sha256].volume_name(0)


def nothing_changed(root: Root, active: str | None) -> None:
    assert root.active() == active
    assert root.installed_versions() == ([] if active is None else [active])
    unfinished = {path.name for path in (root.path / "versions").glob("*")} - {active}
    assert not unfinished, "something was written before it was refused"


def test_what_was_sent_is_there_runs_and_is_active(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1)
    said: list[str] = []
    done = install(root, say=said.append)
    version = bundles.version(1)
    assert done == module.Installed(version, new=True, active=True, before=None)
    assert root.active() == version
    assert active_version_runs(root) == "0.1"
    assert "  ok    1 packages as listed" in said
    folder = root.version(version)
    for file in bundles.manifests[1].files:
        content = (folder / file.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert stat.S_IMODE((folder / file.path).stat().st_mode) == 0o444
    record = json.loads(root.installed(version).read_text())
    assert record["root_hash"] == bundles.manifests[1].root_hash
    assert record["version"] == version
    assert record["seconds"] > 0


def test_content_in_one_volume_takes_no_room_of_its_own(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1)
    install(root)
    folder = root.version(bundles.version(1))
    volume = volume_of(root, bundles, 1, "data/same.txt")
    assert os.path.samefile(folder / "data/same.txt", volume)
    assert os.path.samefile(folder / "data/again/same.txt", volume)
    assert (folder / "data/other.txt").stat().st_nlink == 1, "it is in several volumes"


def test_without_links_the_same_tree_is_copied(
    bundles: Bundles, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.receive(root, 1)
    other = Root(tmp_path / "other")
    bundles.receive(other, 1)
    install(root)

    def no_links(*given: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    install(other)
    version = bundles.version(1)
    assert tree(other.version(version)) == tree(root.version(version))
    assert (other.version(version) / "data/same.txt").stat().st_nlink == 1


def test_installing_it_again_changes_nothing(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1)
    install(root)

    def state() -> dict[str, tuple[int, int]]:
        every = [path for path in root.path.rglob("*") if path.name != "lock"]
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in every}

    before = state()
    assert install(root) == module.Installed(bundles.version(1), new=False, active=True, before=bundles.version(1))
    assert state() == before


def test_a_later_bundle_takes_over_and_the_earlier_stays_installed(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1, 2)
    install(root, bundles.version(1))
    assert install(root).before == bundles.version(1), "the highest sequence is taken where none is named"
    assert active_version_runs(root) == "0.2"
    assert root.installed_versions() == [bundles.version(1), bundles.version(2)]


def test_a_delta_is_installed_out_of_what_came_before(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 2, 3)
    install(root, "3")
    assert active_version_runs(root) == "0.3"
    assert (root.current / "data/same.txt").read_bytes() == b"the same in every bundle\n" * 20


def test_a_delta_without_what_came_before_is_incomplete(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 2)
    with pytest.raises(Incomplete):
        bundles.receive(Root(root.path / "fresh"), 3)
    fresh = Root(root.path / "fresh")
    with pytest.raises(Incomplete, match="earlier bundle"):
        install(fresh, "3")
    nothing_changed(fresh, None)


def test_it_can_be_installed_without_being_activated(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1, 2)
    install(root, "1")
    done = install(root, "2", activate=False)
    assert (done.new, done.active) == (True, False)
    assert active_version_runs(root) == "0.1"
    assert install(root, "2") == module.Installed(bundles.version(2), new=False, active=True, before=bundles.version(1))


def test_an_earlier_bundle_is_refused(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1, 2)
    install(root, "2")
    with pytest.raises(LowerSequence, match="sequence 1") as caught:
        install(root, "1")
    assert caught.value.exit_code == 15
    nothing_changed(root, bundles.version(2))


def test_an_earlier_bundle_is_refused_after_going_back_too(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1, 2)
    install(root, "1")
    install(root, "2")
    rollback(root)
    with pytest.raises(LowerSequence):
        install(root, "1")
    assert install(root, "2").active, "what had the highest sequence is none of those"


def test_another_bundle_with_the_same_sequence_is_refused(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 2)
    install(root)
    files = contents(2) | {"data/more.txt": Source(b"more", "data")}
    other = receive_made(root, bundles, tmp_path / "other", 2, files=files)
    with pytest.raises(LowerSequence, match="two different bundles"):
        install(root, other)
    with pytest.raises(InputError, match="same sequence"):
        install(root)
    nothing_changed(root, bundles.version(2))


def test_the_highest_sequence_outlives_its_note(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1, 2)
    install(root, "2")
    root.state.unlink()
    with pytest.raises(LowerSequence):
        install(root, "1")


def test_a_toolkit_of_another_name_is_refused(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    install(root)
    receive_made(root, bundles, tmp_path / "other", 7, name="another")
    with pytest.raises(InputError, match=r"'another'.*'toolkit' is installed"):
        install(root, "7")
    nothing_changed(root, bundles.version(1))


def test_no_room_is_found_out_before_anything_is_written(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    install(root)
    version = receive_made(root, bundles, tmp_path / "large", 2, installed_bytes=10**16)
    with pytest.raises(NoSpace, match=rf"no room to install {version}") as caught:
        install(root)
    assert caught.value.exit_code == 14
    nothing_changed(root, bundles.version(1))


@pytest.mark.parametrize(
    ("changes", "named", "expected"),
    [
        ({"arch": "aarch64"}, "architecture", "aarch64"),
        ({"os": "darwin"}, "operating system", "darwin"),
        ({"glibc": "99.1"}, "C library", "glibc 99.1 or later"),
        ({"python": "cp399"}, "Python", "cp399"),
        ({"accelerator": "cuda", "driver": "9999.0"}, "NVIDIA driver", "9999.0"),
    ],
)
def test_a_bundle_for_another_system_is_refused(
    changes: dict[str, str], named: str, expected: str, bundles: Bundles, root: Root, tmp_path: Path
) -> None:
    bundles.receive(root, 1)
    install(root)
    receive_made(root, bundles, tmp_path / "other", 2, target=this_target(**changes))
    with pytest.raises(WrongPlatform, match=named) as caught:
        install(root)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 13
    nothing_changed(root, bundles.version(1))


def test_for_a_gpu_in_other_machines_the_driver_here_is_not_asked(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    target = this_target(accelerator="cuda", driver="9999.0", capability="99.0")
    receive_made(root, bundles, tmp_path / "gpu", 1, target=target)
    assert install(root, accelerator_elsewhere=True).active


def test_what_fails_its_self_test_is_not_activated(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    install(root)
    failing = {"packages": {"fake-toolkit": "9.9", "not-there": "1"}, "imports": ["json"]}
    version = receive_made(root, bundles, tmp_path / "failing", 2, files=vectors(contents(2), failing))
    with pytest.raises(SelfTestFailed) as caught:
        install(root)
    assert caught.value.exit_code == 16
    assert "FAIL  package fake-toolkit 9.9: expected 9.9, found 0.2" in str(caught.value)
    assert "PackageNotFoundError" in str(caught.value)
    assert "import json" not in str(caught.value), "what came out well is in the log, not in the message"
    assert "ok    import json" in (root.version(version) / "selftest.log").read_text()
    assert root.installed_versions() == [bundles.version(1)]
    assert active_version_runs(root) == "0.1"
    with pytest.raises(SelfTestFailed):  # as often as it is tried
        install(root)
    with pytest.raises(InputError, match="installed"):
        activate(root, version)


@pytest.mark.parametrize(
    ("content", "seen"),
    [({"packages": {}}, "nothing to check"), ([], "AttributeError"), ({"imports": ["fake_crash"]}, "signal 9")],
)
def test_a_self_test_that_cannot_be_passed_is_a_failed_one(
    content: object, seen: str, bundles: Bundles, root: Root, tmp_path: Path
) -> None:
    files = vectors(contents(1), content)
    if "fake_crash" in str(content):
        from tests.bundle.toolkit import make_wheel

        crash = make_wheel("fake_crash", "1", {"fake_crash.py": b"import os; os.kill(os.getpid(), 9)\n"})
        files |= {"wheels/fake_crash-1-py3-none-any.whl": Source(crash, "wheel")}
        requirements = files["requirements.txt"].content
        assert isinstance(requirements, bytes)
        line = f"fake-crash==1 --hash=sha256:{hashlib.sha256(crash).hexdigest()}\n".encode()
        files["requirements.txt"] = Source(requirements + line, "lock")
    receive_made(root, bundles, tmp_path / "odd", 1, files=files)
    with pytest.raises(SelfTestFailed) as caught:
        install(root)
    assert seen in str(caught.value)
    assert root.active() is None


def test_pip_that_fails_leaves_the_old_version_and_says_why(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    install(root)
    files = contents(2) | {"requirements.txt": Source(b"absent==1 --hash=sha256:" + b"0" * 64, "lock")}
    version = receive_made(root, bundles, tmp_path / "lacking", 2, files=files)
    with pytest.raises(InstallFailed, match="ERROR: no wheel has the hash of absent==1") as caught:
        install(root)
    assert caught.value.exit_code == 17
    assert "ERROR" in (root.version(version) / "install.log").read_text()
    assert active_version_runs(root) == "0.1"


def test_a_disk_that_something_else_fills_meanwhile_is_named_as_that(
    bundles: Bundles, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = contents(1) | {"requirements.txt": Source(b"absent==1 --hash=sha256:" + b"0" * 64, "lock")}
    receive_made(root, bundles, tmp_path / "lacking", 1, files=files)
    monkeypatch.setattr("nerkd_local.bundle.environment.SPARE", 10**18)
    with pytest.raises(NoSpace, match="pip filled the disk"):
        install(root)


def test_a_bundle_without_pip_is_refused(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    files = contents(1)
    del files["wheels/pip-0.0-py3-none-any.whl"]
    receive_made(root, bundles, tmp_path / "lacking", 1, files=files)
    with pytest.raises(Corrupt, match="one wheel of pip"):
        install(root)
    nothing_changed(root, None)


def test_a_damaged_volume_in_the_store_is_found_before_anything_is_written(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1, 2)
    install(root, "1")
    volume = volume_of(root, bundles, 2, "data/other.txt")
    content = bytearray(volume.read_bytes())
    content[7] ^= 1
    volume.chmod(0o644)
    volume.write_bytes(content)
    with pytest.raises(Corrupt, match=volume.name):
        install(root)
    nothing_changed(root, bundles.version(1))
    bundles.receive(root, 2)  # which replaces it
    assert install(root).active


def test_a_missing_volume_is_named(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1)
    volume_of(root, bundles, 1, "data/other.txt").unlink()
    with pytest.raises(Incomplete, match=r"the volumes \d+ of 1\d are missing"):
        install(root)
    nothing_changed(root, None)


def test_a_manifest_that_was_altered_in_the_store_is_refused(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    manifest = root.bundle(bundles.version(1)) / "bundle.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"CC0-1.0", b"CC0-1.1"))
    with pytest.raises(BadSignature):
        install(root)
    nothing_changed(root, None)


def test_a_bundle_put_into_the_store_by_hand_needs_the_pinned_key(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    install(root)
    other, _ = make_key(tmp_path, "other")
    manifest = make_bundle(tmp_path / "forged", other, 5)
    shutil.copytree(tmp_path / "forged" / "objects", root.objects, dirs_exist_ok=True)
    root.bundle(manifest.version).mkdir()
    for name in ("bundle.json", "bundle.sig"):
        shutil.copy(tmp_path / "forged" / name, root.bundle(manifest.version))
    with pytest.raises(BadSignature):
        install(root)
    nothing_changed(root, bundles.version(1))


def test_a_key_that_is_given_is_the_one_that_is_meant(
    bundles: Bundles, root: Root, stranger: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles.receive(root, 1)
    given = ["--root", str(root.path), "--key", str(stranger.public)]
    assert main(["install", bundles.version(1), *given]) == BadSignature.exit_code
    assert "this is not the key that is pinned here" in capsys.readouterr().err
    nothing_changed(root, None)


def test_what_is_installed_is_for_every_user_whatever_the_umask(bundles: Bundles, root: Root) -> None:
    bundles.receive(root, 1)
    before = os.umask(0o077)
    try:
        install(root)
    finally:
        os.umask(before)
    folder = root.version(bundles.version(1))
    for path in (folder.parent, folder, *folder.rglob("*")):
        needed = 0o555 if path.is_dir() else 0o444
        if not path.is_symlink() and path.name != "tmp":
            assert path.stat().st_mode & needed == needed, path


def test_nothing_of_the_users_settings_reaches_pip(
    bundles: Bundles, root: Root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fake pip refuses to run where it sees one of them."""
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    bundles.receive(root, 1)
    assert install(root).active


def test_a_python_that_is_none_is_an_input_error(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    with pytest.raises(InputError, match="no such program"):
        install(root, python=tmp_path / "python9")
    with pytest.raises(InputError, match="no Python that works"):
        install(root, python=Path("/bin/true"))
    nothing_changed(root, None)


def test_nothing_received_and_versions_that_are_not_there_are_input_errors(bundles: Bundles, root: Root) -> None:
    with pytest.raises(InputError, match="no bundle was received"):
        install(root)
    bundles.receive(root, 1)
    with pytest.raises(InputError, match=r"no version '4' is received here \(received: 000001-"):
        install(root, "4")


def test_two_at_once_do_not_work_on_the_same_folder(
    bundles: Bundles, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.receive(root, 1)
    monkeypatch.setattr("nerkd_local.bundle.root._PATIENCE_S", 0.1)
    with root.locked(), pytest.raises(InputError, match="another nerkd bundle command is at work"):
        install(root)


def test_real_pip_installs_from_the_wheels_alone(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    found = list((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not found:
        missing("this Python has no wheel of pip in it (ensurepip)")
    name, content = found[0].name, found[0].read_bytes()
    files = contents(1)
    del files["wheels/pip-0.0-py3-none-any.whl"]
    toolkit = files["wheels/fake_toolkit-0.1-py3-none-any.whl"].content
    assert isinstance(toolkit, bytes)
    line = f"fake-toolkit==0.1 --hash=sha256:{hashlib.sha256(toolkit).hexdigest()}\n"
    files |= {
        f"wheels/{name}": Source(content, "wheel"),
        "requirements.txt": Source(line.encode(), "lock"),
    }
    receive_made(root, bundles, tmp_path / "bundle", 1, files=files, max_volume=1 << 20)
    install(root)
    assert active_version_runs(root) == "0.1"
    inside = next((root.current / "env/lib").glob("python*/site-packages"))
    assert {path.name for path in inside.iterdir()} == {"nerkd_local", "fake_toolkit-0.1.dist-info"}
    assert (inside / "nerkd_local" / "__pycache__").is_dir(), "users cannot write there: it is compiled beforehand"

    bad = files | {"requirements.txt": Source(line.replace("sha256:", "sha256:00").encode()[:-3] + b"\n", "lock")}
    receive_made(root, bundles, tmp_path / "bad", 2, files=bad, max_volume=1 << 20)
    with pytest.raises(InstallFailed, match=r"(?i)hash"):
        install(root)
    assert active_version_runs(root) == "0.1"


class TestCommand:
    def test_a_folder_is_received_and_installed(
        self, bundles: Bundles, root: Root, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder, key = bundles.path(1), bundles.public
        assert main(["install", str(folder), "--key", str(key), "--root", str(root.path)]) == 0
        out = capsys.readouterr().out
        assert f"{bundles.version(1)} is installed\n  is active now (before: none)" in out
        assert main(["install", str(folder), "--root", str(root.path)]) == 0
        assert "was installed already\n  is active, as before" in capsys.readouterr().out

    def test_the_tool_that_comes_with_a_bundle_installs_it(self, bundles: Bundles, root: Root, tmp_path: Path) -> None:
        write_pyz(tmp_path / "tool.pyz")
        tool = [sys.executable, "-I", "-S", tmp_path / "tool.pyz"]
        arguments = ["install", bundles.path(1), "--key", bundles.public, "--root", root.path]
        done = subprocess.run([*tool, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "is active now" in done.stdout
        assert active_version_runs(root) == "0.1"

    def test_what_is_not_activated_names_the_next_command(
        self, bundles: Bundles, root: Root, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bundles.receive(root, 1)
        assert main(["install", "--no-activate", "--root", str(root.path)]) == 0
        assert f"nerkd-bundle activate {bundles.version(1)}" in capsys.readouterr().out

    def test_a_refusal_has_its_lines_and_its_exit_code(
        self, bundles: Bundles, root: Root, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bundles.receive(root, 1, 2)
        install(root, "2")
        assert main(["install", "1", "--root", str(root.path)]) == 15
        error = capsys.readouterr().err
        for line in ("where", "expected", "found", "likely", "next"):
            assert f"\n  {line} " in error
