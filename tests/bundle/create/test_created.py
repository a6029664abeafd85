"""The time of a bundle: never that of the clock."""

from __future__ import annotations

import os
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from nerkd_local.bundle.create.created import as_text, bundle_time
from nerkd_local.errors import InputError


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def test_what_the_spec_says_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    given = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert as_text(bundle_time(given, tmp_path)) == "2026-01-02T01:04:05Z"


def test_then_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert as_text(bundle_time(None, tmp_path)) == "2023-11-14T22:13:20Z"
    for wrong in ("now", "9" * 15, "4354819200"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(InputError, match=f"SOURCE_DATE_EPOCH is '{wrong}'"):
            bundle_time(None, tmp_path)


def test_then_the_toolkits_commit(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    environment = {**os.environ, "GIT_COMMITTER_DATE": "1600000000 +0300"}
    name = ("-c", "user.name=n", "-c", "user.email=e")
    for arguments in (("init", "-q"), (*name, "commit", "-q", "-m", "first", "--allow-empty")):
        subprocess.run(("git", "-C", str(tmp_path), *arguments), check=True, env=environment)
    assert bundle_time(None, tmp_path) == datetime.fromtimestamp(1_600_000_000, UTC)
    with pytest.raises(InputError, match="below: its commit says no time"):  # it is another checkout's
        bundle_time(None, tmp_path / "below")


def test_or_its_wheels_newest_file(tmp_path: Path) -> None:
    path = tmp_path / "toolkit.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for day in (3, 9, 1):
            archive.writestr(zipfile.ZipInfo(f"{day}", (2026, 5, day, 1, 2, 4)), "")
    assert as_text(bundle_time(None, path)) == "2026-05-09T01:02:04Z"

    path.write_text("none")
    with pytest.raises(InputError, match="is no wheel"):
        bundle_time(None, path)


def test_without_any_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set `created` in the spec, or SOURCE_DATE_EPOCH"):
        bundle_time(None, tmp_path)
