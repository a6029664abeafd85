"""Which names may stand in a manifest: those that mean the same file on every file system on the way."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_BYTES = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_ON_FAT = re.compile(r'[<>:"|?*]')


def path_problem(path: str) -> str | None:
    """What is wrong with a relative POSIX path of a bundle; None if nothing is.

    It is in NFC, at most 200 bytes, and made of parts that are neither empty, `.` nor `..`, hold no backslash, no
    control character, nothing that FAT and NTFS cannot hold, and do not end in a dot or a space.
    """
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    if not path:
        return "is empty"
    if size > MAX_BYTES:
        return f"has {size} bytes, more than {MAX_BYTES}"
    if unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode's composed form (NFC)"
    if path.startswith("/"):
        return "is absolute"
    if "\\" in path:
        return "holds a backslash"
    if _CONTROL.search(path):
        return "holds a control character"
    if _NOT_ON_FAT.search(path):
        return 'holds one of < > : " | ? *'
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return f"holds the part {part!r}"
        if part != part.rstrip(". "):
            return f"has a part that ends in a dot or a space: {part!r}"
    return None


def collision(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two of the paths that are one file, or a file and a folder, where case does not count; None if there are none."""
    seen: dict[str, str] = {}
    for path in paths:
        folded = _fold(path)
        if folded in seen:
            return seen[folded], path
        seen[folded] = path
    for folded, path in seen.items():
        parent = folded
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in seen:
                return seen[parent], path
    return None


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
