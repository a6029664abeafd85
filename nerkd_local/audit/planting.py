"""Errors planted into labels that are taken for right, to see whether an audit finds them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span

Damage = Literal["type", "boundary", "dropped", "invented"]


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted error: in which document, of which kind, and the text between the offsets that it touches."""

    id: str
    kind: Damage
    start: int
    end: int


def plant_errors(
    documents: Sequence[Document], count: int, labels: Sequence[str], seed: int
) -> tuple[list[Document], list[Planted]]:
    """The documents with `count` errors in them, at most one a document, and what was done where.

    The kinds come in turn. `type`: another label, each alike; `boundary`: one word more or fewer at one end; `dropped`:
    the label is gone; `invented`: a word outside all mentions, one with a capital where there is one, gets a label.
    Which documents and mentions is drawn by the seed. Raises InputError where there are not as many documents that
    can be damaged so, or only one label.
    """
    if len(labels) < 2:
        raise InputError("errors of type need at least two labels")
    draw = random.Random(seed)
    order = draw.sample(range(len(documents)), len(documents))
    damaged, planted = list(documents), list[Planted]()
    kinds = list(_DAMAGES)
    for number in order:
        if len(planted) == count:
            break
        # in turn, but not every sentence has room for every kind
        for kind in kinds:
            found = _DAMAGES[kind](documents[number], labels, draw)
            if found is not None:
                damaged[number], (start, end) = found
                planted.append(Planted(documents[number].id, kind, start, end))
                kinds.remove(kind)
                kinds.append(kind)
                break
    if len(planted) < count:
        raise InputError(f"only {len(planted)} of {count} errors could be planted; give more documents")
    return damaged, planted


def plant_repeated(
    documents: Sequence[Document], count: int, labels: Sequence[str], seed: int, *, often: int = 3
) -> tuple[list[Document], list[Planted]]:
    """The documents with names that are labelled wrongly wherever they stand, and what was done where.

    Names that always have one label, in at least `often` documents, are drawn by the seed until at least `count`
    mentions are damaged; each name gets another label, the same everywhere. So somebody errs who has misunderstood the
    guidelines. Raises InputError where there are not as many such mentions, or only one label.
    """
    if len(labels) < 2:
        raise InputError("errors of type need at least two labels")
    draw = random.Random(seed)
    known: dict[str, set[str]] = {}
    where: dict[str, set[str]] = {}
    for document in documents:
        for span in document.spans:
            name = document.text[span.start : span.end]
            known.setdefault(name, set()).add(span.label)
            where.setdefault(name, set()).add(document.id)
    names = sorted(name for name in known if len(known[name]) == 1 and len(where[name]) >= often)
    others: dict[str, str] = {}
    damaged, planted = list(documents), list[Planted]()
    for name in draw.sample(names, len(names)):
        if len(planted) >= count:
            break
        others[name] = draw.choice([label for label in labels if label not in known[name]])
        planted += [
            Planted(document.id, "type", span.start, span.end)
            for document in documents
            for span in document.spans
            if document.text[span.start : span.end] == name
        ]
    if len(planted) < count:
        raise InputError(f"only {len(planted)} of {count} errors could be planted; give more documents")
    for number, document in enumerate(documents):
        spans = (
            replace(span, label=others.get(document.text[span.start : span.end], span.label)) for span in document.spans
        )
        damaged[number] = replace(document, spans=tuple(spans))
    return damaged, planted


Found = tuple[Document, tuple[int, int]] | None
"""The damaged document, and the text that the damage touches; None where there is no room for it."""


def _flip(document: Document, labels: Sequence[str], draw: random.Random) -> Found:
    if not document.spans:
        return None
    span = draw.choice(document.spans)
    other = draw.choice([label for label in labels if label != span.label])
    return _without(document, span, Span(span.start, span.end, other)), (span.start, span.end)


def _move(document: Document, labels: Sequence[str], draw: random.Random) -> Found:
    places = [(span, moved) for span in document.spans for moved in _moved(document, span)]
    if not places:
        return None
    span, moved = draw.choice(places)
    return _without(document, span, moved), (min(span.start, moved.start), max(span.end, moved.end))


def _drop(document: Document, labels: Sequence[str], draw: random.Random) -> Found:
    if not document.spans:
        return None
    span = draw.choice(document.spans)
    return _without(document, span), (span.start, span.end)


def _invent(document: Document, labels: Sequence[str], draw: random.Random) -> Found:
    free = [token for token in document.tokens if _is_free(document, token) and document.text[token[0]].isalpha()]
    free = [token for token in free if document.text[token[0]].isupper()] or free
    if not free:
        return None
    start, end = draw.choice(free)
    return _without(document, None, Span(start, end, draw.choice(list(labels)))), (start, end)


_DAMAGES: dict[Damage, Callable[[Document, Sequence[str], random.Random], Found]] = {
    "type": _flip,
    "boundary": _move,
    "dropped": _drop,
    "invented": _invent,
}


def _moved(document: Document, span: Span) -> list[Span]:
    """The span with one word more or fewer at one end, where that neither empties it nor runs into another."""
    starts, ends = [start for start, _ in document.tokens], [end for _, end in document.tokens]
    first, last = starts.index(span.start), ends.index(span.end)
    moved = [(first - 1, last), (first + 1, last), (first, last - 1), (first, last + 1)]
    spans = [Span(starts[a], ends[b], span.label) for a, b in moved if 0 <= a <= b < len(starts)]
    others = [other for other in document.spans if other != span]
    return [moved for moved in spans if all(moved.end <= other.start or other.end <= moved.start for other in others)]


def _is_free(document: Document, token: tuple[int, int]) -> bool:
    return all(token[1] <= span.start or span.end <= token[0] for span in document.spans)


def _without(document: Document, gone: Span | None, *new: Span) -> Document:
    spans = [span for span in document.spans if span != gone]
    return replace(document, spans=tuple(sorted([*spans, *new], key=lambda span: span.start)))
