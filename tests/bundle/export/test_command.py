"""`nerkd bundle export` and `unpack` as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nerkd_local.cli.bundle import command
from nerkd_local.errors import InputError
from tests.bundle.samples import Keys
from tests.evidence.runs import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return write_run(root, regimens=("original_only",), sizes=(10,), seeds=(0,)).output


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_out_and_in_again(run: Path, tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    out = tmp_path / "out"
    exported = ("export", run, "--key", keys.private, "--output", out, "--text", "none", "--students", "none")
    code, told, progress = call(*exported, "--name", "first-light")
    assert code == 0
    assert "text      none;" in told
    assert "sentences looked for, none found" in told
    assert "students  no weights" in told
    assert "looking for what must not be in it" in progress
    code, unpacked, _ = call("unpack", out, tmp_path / "here", "--key", keys.public)
    assert code == 0
    assert "first-light, results, text of the corpora: none" in unpacked
    (root_hash,) = (line for line in told.splitlines() if "root hash" in line)
    assert root_hash in unpacked.splitlines()
    assert (tmp_path / "here" / "report.html").is_file()


def test_the_treatment_of_text_must_be_said(run: Path, tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    code, _, told = call("export", run, "--key", keys.private, "--output", tmp_path / "out")
    assert code == 2
    assert "--text" in told
    code, _, told = call("export", run, "--key", keys.private, "--output", tmp_path / "out", "--text", "some")
    assert code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "Upper", "two words", "-dash", "a" * 65])
def test_a_name_that_no_bundle_can_have(run: Path, tmp_path: Path, name: str) -> None:
    keys = Keys(tmp_path)
    with pytest.raises(InputError, match="--name is"):
        call(
            *("export", run, "--key", keys.private, "--output", tmp_path / "out", "--text", "none"),
            *("--students", "none", "--name", name),
        )
