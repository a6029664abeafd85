"""Documents as JSON lines: the project's own exact format, used between its stages.

One object a line: `{"id": ..., "text": ..., "tokens": [[start, end], ...], "spans": [[start, end, label],
...], "meta": {...}}`. What is written reads back equal. `foreign` reads looser JSON lines from elsewhere.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nerkd_local.errors import InputError, nearest
from nerkd_local.files import read_json_lines, write_json_lines
from nerkd_local.quoting import shows_text
from nerkd_local.records import Document, Span

_KEYS = ("id", "text", "tokens", "spans", "meta")


def document_to_json(document: Document) -> dict[str, Any]:
    """The document as a JSON object. `meta` must be plain JSON."""
    return {
        "id": document.id,
        "text": document.text,
        "tokens": [list(token) for token in document.tokens],
        "spans": [[span.start, span.end, span.label] for span in document.spans],
        "meta": dict(document.meta),
    }


def document_from_json(
    value: Mapping[str, Any], *, path: Path | str | None = None, line: int | None = None
) -> Document:
    """The document a JSON object describes; `spans` and `meta` may be absent.

    `path` and `line` only say where, in errors. Raises InputError for missing and unknown keys, wrong types
    and offsets that break the rules of `Document`.
    """
    try:
        for key in value:
            if key not in _KEYS:
                raise ValueError(f"unknown key {key!r}{nearest(key, _KEYS)}")
        for key in ("id", "text", "tokens"):
            if key not in value:
                raise ValueError(f"the key {key!r} is missing")
        return Document(
            parse_string(value["id"], "id"),
            parse_string(value["text"], "text", empty=True),
            parse_offsets(value["tokens"]),
            parse_spans(value.get("spans", [])),
            parse_meta(value.get("meta", {})),
        )
    except ValueError as error:
        raise InputError(f"{error}; correct the line or export it again", path=path, line=line) from None


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a file in this format, in file order.

    A stream: memory grows by 24 bytes a document (see `UniqueIds`). An empty file has none. Raises InputError with
    file and line for anything that is not such a document, and, at the file's end, for a repeated id.
    """
    seen = UniqueIds(path)
    for line, value in read_json_lines(path):
        document = document_from_json(value, path=path, line=line)
        seen.add(document.id, line)
        yield document
    seen.check()


def write_documents(path: Path, documents: Iterable[Document]) -> int:
    """Write the documents atomically, as they come; returns how many."""
    return write_json_lines(path, map(document_to_json, documents))


class UniqueIds:
    """The ids of a file, to find repeated ones when all are there.

    Kept as 128 bits of each id's SHA-256 and its line, in arrays: a set of millions of strings would be most of a
    run's memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hashes = bytearray()
        self._lines = array("q")

    def add(self, id: str, line: int) -> None:
        """Keep the id that stands in that line."""
        self._hashes += hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()[:16]
        self._lines.append(line)

    def check(self) -> None:
        """Raise InputError for the first line whose id stands in an earlier one."""
        left, right = np.frombuffer(self._hashes, dtype=np.uint64).reshape(-1, 2).T
        order = np.argsort(left, kind="stable")
        ordered = left[order]
        same = np.flatnonzero(ordered[1:] == ordered[:-1])
        same = same[right[order[same]] == right[order[same + 1]]]
        if len(same):
            place = same[np.argmin(order[same + 1])]
            first, second = self._lines[order[place]], self._lines[order[place + 1]]
            problem = f"its id is already used in line {first}; ids must be unique"
            raise InputError(problem, path=self._path, line=second)


def parse_string(value: Any, name: str, *, empty: bool = False) -> str:
    """The value, if it is a string. Raises ValueError otherwise."""
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{name!r} is {_shown(value)}, not a string{'' if empty else ' with something in it'}")
    return value


def parse_offsets(value: Any) -> tuple[tuple[int, int], ...]:
    """`[[start, end], ...]`. Raises ValueError for another shape."""
    if not isinstance(value, list):
        raise ValueError(f"'tokens' is {_shown(value)}, not a list of [start, end]")
    offsets = []
    for item in value:
        match item:
            case [int() as start, int() as end] if not isinstance(start, bool) and not isinstance(end, bool):
                offsets.append((start, end))
            case _:
                raise ValueError(f"the token {_shown(item)} is not [start, end]")
    return tuple(offsets)


def parse_spans(value: Any) -> tuple[Span, ...]:
    """`[[start, end, label], ...]`. Raises ValueError for another shape."""
    if not isinstance(value, list):
        raise ValueError(f"'spans' is {_shown(value)}, not a list of [start, end, label]")
    spans = []
    for item in value:
        match item:
            case [int() as start, int() as end, str() as label] if (
                label and not isinstance(start, bool) and not isinstance(end, bool)
            ):
                spans.append(Span(start, end, label))
            case _:
                raise ValueError(f"the span {_shown(item)} is not [start, end, label]")
    return tuple(spans)


def parse_meta(value: Any) -> dict[str, Any]:
    """The value, if it is a JSON object. Raises ValueError otherwise."""
    if not isinstance(value, dict):
        raise ValueError(f"'meta' is {_shown(value)}, not an object")
    return value


def _shown(value: Any) -> str:
    """The value for a message, cut where it is long; what may hold text by its kind alone, where messages may not."""
    if isinstance(value, str | list | dict) and not shows_text():
        return f"a {type(value).__name__} of length {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
