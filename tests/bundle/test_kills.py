"""SIGKILL at every step, and at any time: what was active still is and works, and the same command completes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerkd_local.bundle.create.volumes import Source
from nerkd_local.bundle.gc import kept_versions
from nerkd_local.bundle.install import install
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.refusals import LowerSequence
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.verify import verify_received
from tests.bundle.conftest import Bundles
from tests.bundle.toolkit import active_version_runs, contents, make_bundle, make_wheel, tree
from tests.conftest import missing
from tests.waiting import wait_until

_REPOSITORY = Path(__file__).parents[2]

_CHANGING = (
    "mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,"
    "write,fsync,sync"
)
_SAMPLE = 15  # of about 150, each of which held once (three minutes)

_PROGRAM = """\
import os, signal, sys
from nerkd_local.bundle import steps

fatal, passed = int(sys.argv[1]), []

def reached(step):
    passed.append(step)
    if len(passed) == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

steps.reached = reached
from nerkd_local.bundle.tool import main
code = main(sys.argv[2:])
print("STEPS", *passed, sep="\\n")
sys.exit(code)
"""


def command(fatal: int, *arguments: str) -> list[str]:
    """The tool, killed by itself at the step of that number; 0: not at all, and it prints its steps."""
    return [sys.executable, "-c", _PROGRAM, str(fatal), *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_REPOSITORY)}


def steps_of(*arguments: str) -> list[str]:
    done = subprocess.run(command(0, *arguments), check=True, capture_output=True, text=True, env=environment())
    _, _, passed = done.stdout.partition("STEPS\n")
    return passed.splitlines()


def kill_at(step: int, *arguments: str) -> None:
    done = subprocess.run(command(step, *arguments), capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def call(*arguments: str) -> None:
    done = subprocess.run(command(0, *arguments), capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr


def copy(prepared: Root, path: Path) -> Root:
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(prepared.path, path, symlinks=True)
    return Root(path)


def is_clean(root: Root) -> None:
    """Nothing that was half done lies around, and every version that counts as installed works."""
    left = [path for path in root.path.rglob("*") if path.name.endswith(".part") or path.name == "tmp"]
    assert not left
    folders = {path.name for path in (root.path / "versions").iterdir()}
    assert folders == set(root.installed_versions())
    for version in root.installed_versions():
        verify_received(root, version)


@pytest.fixture(scope="module")
def prepared(bundles: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """The first bundle is active, the second one received."""
    root = Root(tmp_path_factory.mktemp("prepared") / "root")
    bundles.receive(root, 1, 2)
    install(root, "1")
    return root


@pytest.fixture(scope="module")
def complete(bundles: Bundles, prepared: Root, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The second version's folder after an installation that nothing disturbed."""
    root = copy(prepared, tmp_path_factory.mktemp("complete") / "root")
    install(root)
    return tree(root.version(bundles.version(2)))


@pytest.mark.slow
def test_killed_at_any_step_of_install_the_old_version_is_active_and_the_next_install_completes(
    bundles: Bundles, prepared: Root, complete: dict[str, bytes], tmp_path: Path
) -> None:
    arguments = ("install", "--root", str(tmp_path / "root"))
    root = copy(prepared, tmp_path / "root")
    passed = steps_of(*arguments)
    old, new = bundles.version(1), bundles.version(2)
    switched = passed.index(f"current leads to versions/{new}") + 1
    assert "the environment is filled" in passed[:switched]
    assert sum(step.endswith("is laid out") for step in passed) == len(bundles.manifests[2].files)

    for step in range(1, len(passed) + 1):
        root = copy(prepared, tmp_path / "root")
        kill_at(step, *arguments)
        where = f"after {passed[step - 1]!r}"
        assert root.active() == (old if step < switched else new), where
        assert active_version_runs(root) == ("0.1" if step < switched else "0.2"), where
        assert old in root.installed_versions(), where

        call(*arguments)
        assert root.active() == new, where
        assert active_version_runs(root) == "0.2", where
        assert tree(root.version(new)) == complete, where
        is_clean(root)
        call("rollback", "--root", str(root.path))
        assert active_version_runs(root) == "0.1", where


@pytest.mark.slow
def test_killed_at_any_time_the_old_version_is_active_and_the_next_install_completes(
    bundles: Bundles, prepared: Root, complete: dict[str, bytes], tmp_path: Path
) -> None:
    arguments = ("install", "--root", str(tmp_path / "root"))
    copy(prepared, tmp_path / "root")
    began = time.monotonic()
    call(*arguments)
    duration_s = time.monotonic() - began
    when = random.Random(8)
    killed = 0
    for _ in range(20):
        root = copy(prepared, tmp_path / "root")
        process = subprocess.Popen(command(0, *arguments), env=environment(), stdout=-3, stderr=-3)
        time.sleep(when.uniform(0, duration_s))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        active = root.active()
        assert active in (bundles.version(1), bundles.version(2))
        assert active_version_runs(root) == ("0.1" if active == bundles.version(1) else "0.2")
        call(*arguments)
        assert active_version_runs(root) == "0.2"
        assert tree(root.version(bundles.version(2))) == complete
        is_clean(root)
    assert killed >= 10, "hardly any was killed before its end: this says nothing"


@pytest.mark.slow
def test_killed_at_any_system_call_that_changes_something_the_same_holds(
    bundles: Bundles, prepared: Root, complete: dict[str, bytes], tmp_path: Path
) -> None:
    """Between the named steps too; a sample of some of them in each part of the way."""
    if shutil.which("strace") is None:
        missing("there is no strace")
    arguments = ("install", "--root", str(tmp_path / "root"))
    copy(prepared, tmp_path / "root")
    log = tmp_path / "calls"
    traced = ["strace", "-qq", "-o", str(log), "-e", f"trace={_CHANGING}"]
    subprocess.run([*traced, *command(0, *arguments)], check=True, capture_output=True, env=environment())
    names = [line.partition("(")[0] for line in log.read_text().splitlines() if "(" in line]
    assert len(names) > 100
    for index in sorted(random.Random(8).sample(range(len(names)), min(_SAMPLE, len(names)))):
        root = copy(prepared, tmp_path / "root")
        number = names[: index + 1].count(names[index])  # strace counts each kind of call for itself
        fatal = [*traced, "-e", f"inject={names[index]}:signal=SIGKILL:when={number}"]
        done = subprocess.run([*fatal, *command(0, *arguments)], capture_output=True, env=environment(), check=False)
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        killed_in = log.read_text().splitlines()[-2:]
        assert root.active() in (bundles.version(1), bundles.version(2)), killed_in
        assert active_version_runs(root) == ("0.1" if root.active() == bundles.version(1) else "0.2"), killed_in
        call(*arguments)
        assert active_version_runs(root) == "0.2", killed_in
        assert tree(root.version(bundles.version(2))) == complete, killed_in
        is_clean(root)


@pytest.mark.slow
def test_killed_at_any_step_of_the_first_install_nothing_is_active_and_the_next_completes(
    bundles: Bundles, tmp_path: Path
) -> None:
    fresh = Root(tmp_path / "fresh")
    bundles.receive(fresh, 2)
    arguments = ("install", "--root", str(tmp_path / "root"))
    copy(fresh, tmp_path / "root")
    passed = steps_of(*arguments)
    switched = passed.index(f"current leads to versions/{bundles.version(2)}") + 1
    for step in range(passed.index("the self-test has passed") + 1, len(passed) + 1):
        root = copy(fresh, tmp_path / "root")
        kill_at(step, *arguments)
        assert root.active() == (None if step < switched else bundles.version(2))
        call(*arguments)
        assert active_version_runs(root) == "0.2"


@pytest.mark.parametrize("verb", ["activate", "rollback"])
def test_killed_at_any_step_of_a_switch_one_of_both_is_active_and_the_other_within_reach(
    verb: str, bundles: Bundles, prepared: Root, tmp_path: Path
) -> None:
    both = copy(prepared, tmp_path / "both")
    install(both)
    install_first = ["activate", "1"] if verb == "activate" else ["rollback"]
    arguments = (*install_first, "--root", str(tmp_path / "root"))
    copy(both, tmp_path / "root")
    passed = steps_of(*arguments)
    assert len(passed) >= 2
    for step in range(1, len(passed) + 1):
        root = copy(both, tmp_path / "root")
        kill_at(step, *arguments)
        assert root.active() in (bundles.version(1), bundles.version(2))
        active_version_runs(root)
        for version in ("1", "2"):
            call("activate", version, "--root", str(root.path))
            assert active_version_runs(root) == f"0.{version}"
        is_clean(root)
        with pytest.raises(LowerSequence):
            install(root, "1")


@pytest.mark.slow
def test_killed_at_any_step_of_gc_what_is_kept_is_whole_and_the_next_gc_removes_the_rest(
    bundles: Bundles, prepared: Root, tmp_path: Path
) -> None:
    three = copy(prepared, tmp_path / "three")
    install(three)
    bundles.receive(three, 3)
    install(three)
    (three.objects / f"{'0' * 64}.000.part").write_bytes(b"half")
    arguments = ("gc", "--root", str(tmp_path / "root"))
    root = copy(three, tmp_path / "root")
    passed = steps_of(*arguments)
    afterwards = tree(root.path)
    assert len(passed) >= 5
    assert root.installed_versions() == [bundles.version(2), bundles.version(3)]
    for step in range(1, len(passed) + 1):
        root = copy(three, tmp_path / "root")
        kill_at(step, *arguments)
        assert active_version_runs(root) == "0.3"
        assert kept_versions(root) == {bundles.version(2), bundles.version(3)}
        for version in kept_versions(root):
            verify_received(root, version)
        call(*arguments)
        is_clean(root)
        assert tree(root.path) == afterwards


def test_what_works_for_an_install_does_not_outlive_it(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    sleeping = f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    pip = make_wheel("pip", "0.0", {"pip/__init__.py": b"", "pip/__main__.py": sleeping.encode()})
    files: dict[str, Source] = contents(1, pip=pip)
    make_bundle(tmp_path / "bundle", bundles.private, 1, files=files)
    receive(tmp_path / "bundle", root, bundles.public)
    process = subprocess.Popen(command(0, "install", "--root", str(root.path)), env=environment(), stdout=-3, stderr=-3)
    try:
        wait_until(lambda: pid.exists() and bool(pid.read_text()), within_s=60)
    finally:
        process.kill()
        process.wait()

    def is_gone() -> bool:
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(is_gone, within_s=10)
    with root.locked():
        pass
