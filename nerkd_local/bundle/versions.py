"""Which version somebody means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nerkd_local.errors import InputError

_VERSION = re.compile(r"(\d{6})-[0-9a-f]{12}")


def is_version(name: str) -> bool:
    """Whether it is a version's full name."""
    return _VERSION.fullmatch(name) is not None


def sequence_of(version: str) -> int:
    """The sequence in a version's name."""
    return int(version.partition("-")[0])


def find_version(given: str, known: Sequence[str], what: str, where: Path) -> str:
    """The version with that name, sequence (`7`) or beginning (`000007-3f`) among the known ones.

    Raises InputError, naming them, if there is none or more than one.
    """
    if given in known:
        return given
    if given.isdigit() and given.isascii():
        found = [version for version in known if sequence_of(version) == int(given)]
    else:
        found = [version for version in known if given and version.startswith(given)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{given!r} is {' and '.join(found)}; give the whole name", path=where)
    raise InputError(f"no version {given!r} is {what} here ({what}: {', '.join(known) or 'none'})", path=where)
