"""What a student that did not train on a document says of it, kept as JSON lines.

One object a line: `{"id": ..., "spans": [[start, end, label], ...], "confidences": [...], "of_labels": [...],
"of_nothing": [...]}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerkd_local.corpus.jsonl import UniqueIds, parse_spans, parse_string
from nerkd_local.errors import InputError, nearest
from nerkd_local.files import read_json_lines, write_json_lines
from nerkd_local.records import Document, Span

_KEYS = ("id", "spans", "confidences", "of_labels", "of_nothing")


@dataclass(frozen=True, slots=True)
class Opinion:
    """A student's own spans of a document with its confidence in each, and what it thinks of the document's labels.

    `of_labels`: the probability that it gives to each of the spans that the document came with, in their order, and
    `of_nothing`, where it is given, that of no mention on any of its words. All numbers are from 0 to 1. Raises
    ValueError for others, and where there are not as many of them as spans.
    """

    spans: tuple[Span, ...]
    confidences: tuple[float, ...]
    of_labels: tuple[float, ...]
    of_nothing: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.spans) != len(self.confidences):
            raise ValueError(f"{len(self.confidences)} confidences for {len(self.spans)} spans")
        if len(self.of_nothing) not in (0, len(self.of_labels)):
            raise ValueError(f"{len(self.of_nothing)} numbers of nothing for {len(self.of_labels)} labels")
        for number in (*self.confidences, *self.of_labels, *self.of_nothing):
            if not 0 <= number <= 1:
                raise ValueError(f"{number} is no probability")


def write_opinions(path: Path, opinions: Mapping[str, Opinion]) -> int:
    """Write the opinions, by document id, atomically and in their order; returns how many."""
    return write_json_lines(path, (_to_json(id, opinion) for id, opinion in opinions.items()))


def read_opinions(path: Path, documents: Iterable[Document] | None = None) -> dict[str, Opinion]:
    """The opinions of a file by document id, in file order; what `write_opinions` wrote reads back equal.

    With `documents`, each of them must have one, about as many labels as it has. Raises InputError with file and line
    for anything that is not such an opinion, for a repeated id, and for one that is missing or does not fit.
    """
    seen = UniqueIds(path)
    opinions: dict[str, Opinion] = {}
    for line, value in read_json_lines(path):
        try:
            id, opinion = _from_json(value)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{error}; make the opinions again", path=path, line=line) from None
        seen.add(id, line)
        opinions[id] = opinion
    seen.check()
    if documents is not None:
        _check_fit(opinions, documents, path)
    return opinions


def _check_fit(opinions: Mapping[str, Opinion], documents: Iterable[Document], path: Path) -> None:
    for document in documents:
        opinion = opinions.get(document.id)
        if opinion is None:
            raise InputError(f"has no opinion on {document.id!r}; make the opinions of these documents", path=path)
        if len(opinion.of_labels) != len(document.spans):
            raise InputError(
                f"speaks of {len(opinion.of_labels)} labels of {document.id!r}, which has {len(document.spans)}; make "
                "the opinions of these documents",
                path=path,
            )


def _to_json(id: str, opinion: Opinion) -> dict[str, Any]:
    return {
        "id": id,
        "spans": [[span.start, span.end, span.label] for span in opinion.spans],
        "confidences": list(opinion.confidences),
        "of_labels": list(opinion.of_labels),
        "of_nothing": list(opinion.of_nothing),
    }


def _from_json(value: Mapping[str, Any]) -> tuple[str, Opinion]:
    for key in value:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}{nearest(key, _KEYS)}")
    for key in _KEYS[:-1]:
        if key not in value:
            raise ValueError(f"the key {key!r} is missing")
    numbers = [tuple(_numbers(value.get(key, []), key)) for key in ("confidences", "of_labels", "of_nothing")]
    return parse_string(value["id"], "id"), Opinion(parse_spans(value["spans"]), *numbers)


def _numbers(value: Any, name: str) -> Iterator[float]:
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is {type(value).__name__}, not a list of numbers")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{name!r} holds {number!r}, which is no number")
        yield float(number)
