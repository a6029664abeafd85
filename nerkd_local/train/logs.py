"""Logs of JSON lines that a run adds to, cut back where it goes on from an earlier step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nerkd_local.files import atomic_writer, json_line, parse_json


def cut_log(path: Path, keep: Callable[[dict[str, Any]], bool]) -> int:
    """Keep the lines up to the first that is not wanted, that `keep` cannot read, or that a killed process left torn;
    returns their number.

    A file that is not there stays so.
    """
    if not path.exists():
        return 0
    kept: list[dict[str, Any]] = []
    # torn anywhere, so in the middle of a character too
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            row = parse_json(line)
        except ValueError:
            break
        try:
            if not keep(row):
                break
        except (KeyError, TypeError):  # JSON, and none of this log's
            break
        kept.append(row)
    with atomic_writer(path) as stream:
        stream.writelines(map(json_line, kept))
    return len(kept)
