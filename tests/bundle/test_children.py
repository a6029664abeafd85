from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nerkd_local.bundle.children import clean_environment, run_program
from nerkd_local.bundle.root import Root
from nerkd_local.errors import InputError


def run(tmp_path: Path, code: str, **how: object) -> tuple[int, str]:
    log = tmp_path / "log"
    with log.open("wb") as output:
        done = run_program([sys.executable, "-I", "-c", code], output=output, **how)  # type: ignore[arg-type]
    return done, log.read_text()


@pytest.mark.parametrize(
    ("code", "ended"), [("pass", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 15)", -15)]
)
def test_how_it_ended_is_told(code: str, ended: int, tmp_path: Path) -> None:
    assert run(tmp_path, code)[0] == ended


def test_all_that_it_says_is_kept_in_order_and_nothing_is_asked(tmp_path: Path) -> None:
    code = "import sys; print('a', flush=True); print('b', file=sys.stderr, flush=True); print(repr(sys.stdin.read()))"
    assert run(tmp_path, code) == (0, "a\nb\n''\n")


def test_temporary_files_go_where_they_are_told_to(tmp_path: Path) -> None:
    code = "import tempfile; print(tempfile.gettempdir())"
    assert run(tmp_path, code, temporary=tmp_path) == (0, f"{tmp_path}\n")


def test_the_users_python_and_pip_settings_stay_behind_and_the_rest_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_CONFIG_FILE", "VIRTUAL_ENV", "NERKD_NETWORK"):
        monkeypatch.setenv(name, "/users")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/modules/python/lib")
    found = clean_environment()
    assert "/users" not in found.values()
    assert found["LD_LIBRARY_PATH"] == "/modules/python/lib"
    assert found["PIP_CONFIG_FILE"] == os.devnull
    assert found["PIP_NO_INDEX"] == "1"


def test_it_holds_the_lock_as_long_as_it_works(root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerkd_local.bundle.root._PATIENCE_S", 0.1)
    code = "import os, time; os.fork() or time.sleep(1.5)"
    with root.locked() as lock:
        assert run(tmp_path, code, lock=lock)[0] == 0
    # what it started is still at it, though it has ended itself and the handle here is closed
    with pytest.raises(InputError, match="at work"), root.locked():
        raise AssertionError("two at once")
    monkeypatch.setattr("nerkd_local.bundle.root._PATIENCE_S", 30.0)
    with root.locked():
        pass
