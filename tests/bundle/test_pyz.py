from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import nerkd_local
from nerkd_local.bundle import tool as tool_module
from nerkd_local.bundle.pyz import NAME, pyz_content, write_pyz
from tests.bundle.samples import Keys

BARE = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tool") / NAME
    write_pyz(path)
    return path


def call(tool: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it as on a bare machine: no site packages, no environment, elsewhere."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(tool), *map(str, arguments)],
        capture_output=True, text=True, check=False, env=BARE, cwd=tool.parent,
    )  # fmt: skip


def test_built_at_another_time_with_another_umask_it_has_the_same_bytes(tool: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        time.sleep(2.1)  # beyond what a zip archive's time can tell apart
        write_pyz(tmp_path / NAME)
    finally:
        os.umask(before)
    assert (tmp_path / NAME).read_bytes() == tool.read_bytes() == pyz_content()
    assert os.access(tmp_path / NAME, os.X_OK)


def test_built_by_itself_it_has_the_same_bytes(tool: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1])\n"
    code += "from nerkd_local.bundle.pyz import pyz_content; sys.stdout.buffer.write(pyz_content())"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, tool], capture_output=True, check=True, env=BARE)
    assert done.stdout == tool.read_bytes()


def test_it_holds_the_closed_side_and_nothing_else(tool: Path) -> None:
    package = Path(nerkd_local.__file__).parent
    with zipfile.ZipFile(tool) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert names == sorted(
        ["__main__.py", "nerkd_local/__init__.py", "nerkd_local/errors.py"]
        + [f"nerkd_local/bundle/{path.name}" for path in (package / "bundle").glob("*.py")]
    )


def test_it_verifies_and_receives_with_a_bare_python(tool: Path, whole: Path, sender: Keys, tmp_path: Path) -> None:
    done = call(tool, "verify", whole, "--key", sender.public)
    assert done.returncode == 0, done.stderr
    assert "good: signed by the key" in done.stdout
    done = call(tool, "receive", whole, "--key", sender.public, "--root", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    done = call(tool, "verify", whole, "--key", tmp_path / "none.pem")
    assert done.returncode == 2
    assert done.stderr.startswith("nerkd-bundle: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", tool_module.VERBS)
def test_every_verb_can_be_loaded_there(tool: Path, verb: str) -> None:
    done = call(tool, verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: nerkd-bundle {verb}")


def test_an_older_python_is_told_so_and_not_shown_a_traceback(tool: Path) -> None:
    code = "import sys, runpy; sys.version_info = (3, 9, 2); sys.version = '3.9.2'; runpy.run_path(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, tool], capture_output=True, text=True, check=False, env=BARE
    )
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr
    assert "3.9.2" in done.stderr
    assert "Traceback" not in done.stderr
