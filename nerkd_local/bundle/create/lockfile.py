"""A lock as scripts/lock writes it, and as pip reads it: one package a paragraph, pinned, with hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from nerkd_local.errors import InputError
from nerkd_local.files import read_lines

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_-]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of a lock: its name, one version, and the hashes of the files that are it."""

    name: NormalizedName
    version: str
    hashes: frozenset[str]

    @property
    def requirement(self) -> str:
        """The line that pip reads."""
        return requirement_line(self.name, self.version, self.hashes)


def requirement_line(name: str, version: str, hashes: Iterable[str]) -> str:
    """One requirement with its hashes, as pip reads it."""
    return " ".join([f"{name}=={version}", *(f"--hash=sha256:{each}" for each in sorted(hashes))])


def read_lock(path: Path) -> list[Pin]:
    """The pins of a lock in its order.

    Raises InputError with the line of anything else than `name==version` with hashes: an option, a marker or a loose
    version could mean something else on the closed side.
    """
    pins: list[Pin] = []
    names: set[NormalizedName] = set()
    words: list[str] = []
    begin = 0
    for number, line in read_lines(path):
        text = line.strip()
        if text.startswith("#"):
            continue
        if not words:
            begin = number
        words += text.removesuffix("\\").split()
        if text.endswith("\\") or not words:
            continue
        pin = _pin(words, path, begin)
        if pin.name in names:
            raise InputError(f"{pin.name} is pinned twice", path=path, line=begin)
        names.add(pin.name)
        pins.append(pin)
        words = []
    if words:
        raise InputError("ends in the middle of a package", path=path, line=begin)
    if not pins:
        raise InputError("pins no package; write it with scripts/lock", path=path)
    return pins


def _pin(words: list[str], path: Path, line: int) -> Pin:
    named = _PINNED.fullmatch(words[0])
    hashes = [_HASH.fullmatch(word) for word in words[1:]]
    if named is None or not hashes or not all(hashes):
        raise InputError(
            f"{' '.join(words)[:80]!r} is not name==version with --hash=sha256: behind it; write the lock with "
            "scripts/lock",
            path=path,
            line=line,
        )
    return Pin(canonicalize_name(named[1]), named[2], frozenset(each[1] for each in hashes if each))
