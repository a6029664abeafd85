"""The time that a bundle says it was created at: one that the same inputs give again."""

from __future__ import annotations

import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from nerkd_local.errors import InputError
from nerkd_local.software import ask_git

_LATEST = 4354819199  # 2107: a zip archive knows no later time


def bundle_time(given: datetime | None, toolkit: Path) -> datetime:
    """The spec's time, or SOURCE_DATE_EPOCH, or that of the toolkit's commit, or of its wheel's newest file.

    Raises InputError if none of them says one.
    """
    if given is not None:
        return given.astimezone(UTC)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None:
        if not epoch.isdecimal() or int(epoch) > _LATEST:
            raise InputError(f"SOURCE_DATE_EPOCH is {epoch!r}; seconds since 1970 are needed, {_LATEST} at most")
        return datetime.fromtimestamp(int(epoch), UTC)
    if toolkit.suffix == ".whl":
        try:
            with zipfile.ZipFile(toolkit) as archive:
                return max(datetime(*entry.date_time, tzinfo=UTC) for entry in archive.infolist())
        except (zipfile.BadZipFile, ValueError) as error:
            raise InputError(f"is no wheel: {error}", path=toolkit) from None
    seconds = ask_git(toolkit, "log", "-1", "--format=%ct")
    if not seconds:
        raise InputError(
            "its commit says no time; set `created` in the spec, or SOURCE_DATE_EPOCH, so that the same bundle can be "
            "made again",
            path=toolkit,
        )
    return datetime.fromtimestamp(int(seconds), UTC)


def as_text(time: datetime) -> str:
    """As the manifest has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
