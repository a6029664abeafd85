"""`nerkd report`: its options, what it prints, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nerkd_local.cli.main import nerkd
from nerkd_local.errors import InputError
from tests.evidence.runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path, regimens=("original_only", "linear"), sizes=(10,), seeds=(0,)).output


def report(*arguments: object) -> Result:
    return CliRunner().invoke(nerkd, ["report", *map(str, arguments)], catch_exceptions=False)


def test_it_prints_the_pages_path_and_says_on_stderr_what_it_makes(run: Path, tmp_path: Path) -> None:
    done = report(run, "--output", tmp_path / "out", "--no-sentences")
    assert done.exit_code == 0
    assert done.stdout == f"{tmp_path / 'out' / 'index.html'}\n"
    assert (tmp_path / "out" / "index.html").is_file()
    assert "figure regimens" in done.stderr
    assert not (run / "report").exists()


def test_minutes_that_are_none_are_bad_usage(run: Path) -> None:
    done = report(run, "--minutes-per-original", 0)
    assert done.exit_code == 2
    assert "minutes-per-original" in done.stderr


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "settings.yaml").unlink(), "holds no settings.yaml"),
        (lambda run: [path.unlink() for path in run.glob("cells/*/result.json")], "has no finished student"),
        (
            lambda run: (run / "cells" / "linear-n10-news-seed0" / "exposure.jsonl").write_text("{}\n"),
            r"exposure\.jsonl:1: is not step 0",
        ),
        (
            lambda run: (run / "cells" / "linear-n10-news-seed0" / "result.json").write_text("{"),
            r"result\.json: not valid JSON",
        ),
    ],
    ids=["no settings", "no student", "a damaged ledger", "a damaged result"],
)
def test_what_is_missing_or_damaged_is_named_and_no_report_is_left(run: Path, damage: object, said: str) -> None:
    damage(run)  # type: ignore[operator]
    with pytest.raises(InputError, match=said):
        report(run)
    assert not (run / "report").exists()
    assert not list(run.glob(".report*"))
