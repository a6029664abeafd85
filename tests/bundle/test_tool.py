from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from nerkd_local.bundle import tool
from nerkd_local.bundle.refusals import Corrupt, NoSpace
from nerkd_local.cli.bundle import command
from nerkd_local.errors import InputError
from tests.bundle.samples import Keys


def raises(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("no such thing", path="a/b"), 2, "nerkd-bundle: a/b: no such thing\n"),
        (Corrupt("bad", where="x"), 11, "nerkd-bundle: bad\n  where     x\n"),
        (KeyboardInterrupt(), 3, "the same command goes on"),
        (OSError(errno.ENOSPC, "No space left on device", "a"), 14, "make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 14, "make room"),
        (PermissionError(errno.EACCES, "Permission denied", "/opt/x"), 2, "/opt/x: Permission denied"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 3, ""),
    ],
)
def test_endings_become_lines_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    module = SimpleNamespace(configure=lambda parser: None, run=raises(error))
    monkeypatch.setattr(tool, "_module", lambda verb: module)
    before = os.dup(1)
    try:
        assert tool.main(["gc"]) == code
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert said in capfd.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(configure=lambda parser: None, run=raises(ZeroDivisionError()))
    monkeypatch.setattr(tool, "_module", lambda verb: module)
    with pytest.raises(ZeroDivisionError):
        tool.main(["gc"])


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["verify"], ["verify", "a", "--key"]])
def test_bad_usage_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tool.main(arguments)
    assert caught.value.code == 2


def test_a_disk_that_fills_is_the_same_refusal_through_nerkd(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(configure=lambda parser: None, run=raises(OSError(errno.ENOSPC, "full")))
    monkeypatch.setattr(tool, "_module", lambda verb: module)
    with pytest.raises(NoSpace):
        tool.call(["gc"])


def test_the_help_lists_every_verb_and_imports_none() -> None:
    code = "import sys\nfrom nerkd_local.bundle import tool\n"
    code += "try:\n    tool.main(['--help'])\nfinally:\n    print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in tool.VERBS.values():
        assert verb.module not in done.stdout.splitlines()[-1].split()
    assert all(f"    {name}" in done.stdout for name in tool.VERBS)


def test_the_root_comes_from_the_environment_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def root(*arguments: str) -> Path:
        parser = argparse.ArgumentParser()
        tool.add_root(parser)
        found: Path = parser.parse_args(arguments).root
        return found

    monkeypatch.delenv("NERKD_ROOT", raising=False)
    assert root() == Path("/opt/nerkd")
    monkeypatch.setenv("NERKD_ROOT", "/srv/x")
    assert root() == Path("/srv/x")
    assert root("--root", "y") == Path("y")


class TestThroughNerkd:
    def test_every_verb_is_there_with_its_own_help(self) -> None:
        listed = CliRunner().invoke(command, ["--help"]).output
        for name in tool.VERBS:
            assert f"\n  {name} " in listed

    def test_arguments_arrive_as_they_were_typed(
        self, whole: Path, sender: Keys, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = command.main(
            ["verify", str(whole), "--key", str(sender.public)], prog_name="nerkd bundle", standalone_mode=False
        )
        assert code == 0
        assert "good: signed by the key" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            command.main(["verify", "--help"], prog_name="nerkd bundle", standalone_mode=False)
        assert capsys.readouterr().out.startswith("usage: nerkd bundle verify")

    def test_an_exit_code_of_the_tool_is_that_of_nerkd(self, tmp_path: Path, sender: Keys) -> None:
        code = "from nerkd_local.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, "bundle", "verify", str(tmp_path), "--key", str(sender.public)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 10
        assert done.stderr.startswith("nerkd: there is no manifest\n  where ")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_what_is_closed_is_not_written_to(whole: Path, sender: Keys, closed: str) -> None:
    code = f"import sys; sys.{closed} = None\nfrom nerkd_local.bundle.tool import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", whole, "--key", sender.public], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
