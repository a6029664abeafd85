"""What a model folder says of its licence: read from its card or its licence file, never guessed."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import yaml

from nerkd_local.models.names import is_readable
from nerkd_local.models.problems import printable

_MAX_READ = 256 << 10
"""Of a card: cards are texts, and a head of that size takes seconds to read."""
_SPDX = {
    each.lower(): each
    for each in (
        "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0", "CC0-1.0", "GPL-3.0", "AGPL-3.0", "LGPL-3.0", "MPL-2.0", "Unlicense",
    )
}  # fmt: skip
_SILENT = ("unknown", "other", "null")
_TITLES = (
    ("apache license version 2.0", "Apache-2.0"),
    ("mit license", "MIT"),
    ("bsd 3-clause license", "BSD-3-Clause"),
    ("llama 2 community license agreement", "llama2"),
    ("meta llama 3 community license agreement", "llama3"),
    ("llama 3.1 community license agreement", "llama3.1"),
    ("llama 3.3 community license agreement", "llama3.3"),
    ("gemma terms of use", "gemma"),
)
"""How licence files begin."""


def find_licence(folder: Path) -> str | None:
    """The licence that a folder declares; None where it declares none.

    First the head of README.md, as the hub reads it (SPDX identifiers are spelled as SPDX does); then the title of a
    licence file, or that file's name (`see LICENSE`) where the title is none that is known here.
    """
    return _of_card(folder / "README.md") or _of_file(folder)


def _of_card(path: Path) -> str | None:
    head = _head(path)
    told = head.get("license")
    if isinstance(told, list) and all(isinstance(each, str) for each in told):
        told = " AND ".join(told)
    if told in ("other", None):
        told = head.get("license_name")
    if not isinstance(told, str) or not any(map(str.isalpha, told)) or told.strip().lower() in _SILENT:
        return None
    return _SPDX.get(told.strip().lower(), printable(" ".join(told.split())[:100]))


def _head(path: Path) -> dict[str, Any]:
    parts = _begin(path).removeprefix("\ufeff").replace("\r\n", "\n").split("---\n", 2)
    try:
        # texts only, and no merge keys, by which a few lines swell to gigabytes
        value = yaml.load(parts[1], yaml.BaseLoader) if len(parts) == 3 and not parts[0] else None
    except (ValueError, yaml.YAMLError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _of_file(folder: Path) -> str | None:
    for name in ("LICENSE", "LICENCE", "COPYING"):
        for path in sorted(folder.glob(f"{name}*")):
            begin = " ".join(_begin(path)[:500].lower().replace(",", " ").split())
            if not begin:
                continue
            return next((licence for title, licence in _TITLES if begin.startswith(title)), f"see {path.name}")
    return None


def _begin(path: Path) -> str:
    if not is_readable(path.parent, path.name):
        return ""
    try:
        with path.open("rb") as stream:
            return codecs.getincrementaldecoder("utf-8")().decode(stream.read(_MAX_READ))  # half a character may end it
    except UnicodeDecodeError:
        return ""
