"""A few mentions out of many, to be read: chosen by a hash, so that nobody did, from as many documents as can be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nerkd_local.evaluate.spans import SpanTable
from nerkd_local.evidence.evaluated import Evaluated
from nerkd_local.fingerprints import digest

_AROUND = 60
"""Characters shown before and after the words in question."""


@dataclass(frozen=True, slots=True)
class Example:
    """What one sentence's mention is to different sides: `words` and `label` of each, None for no mention there.
    `text` is the sentence, or what stands around; the text is the corpus' own and untrusted."""

    id: str
    text: str
    mentions: tuple[tuple[str, str] | None, ...]


Places = tuple[int, ...]
"""A mention's place in each side's table, -1 for none; one at least is there."""


def pick(evaluated: Evaluated, candidates: Iterable[Places], sides: tuple[SpanTable, ...], count: int) -> list[Example]:
    """At most `count` of the candidates, the same for the same sentences: one a document as long as there are others.

    `sides` are tables of all of the evaluation's sentences, one for each place of a candidate.
    """
    ranked = sorted((_key(evaluated, places, sides), places) for places in candidates)
    seen: dict[int, int] = {}
    ordered = []
    for number, (_, places) in enumerate(ranked):
        document = int(evaluated.groups[_sentence(places, sides)])
        seen[document] = seen.get(document, -1) + 1
        ordered.append((seen[document], number, places))
    return [_example(evaluated, places, sides) for *_, places in sorted(ordered)[:count]]


def _sentence(places: Places, sides: tuple[SpanTable, ...]) -> int:
    return next(int(table.sentence[place]) for place, table in zip(places, sides, strict=True) if place >= 0)


def _key(evaluated: Evaluated, places: Places, sides: tuple[SpanTable, ...]) -> str:
    borders = [
        (int(table.start[place]), int(table.end[place])) if place >= 0 else (-1, -1)
        for place, table in zip(places, sides, strict=True)
    ]
    sentence = evaluated.documents[_sentence(places, sides)]
    return digest("example", sentence.id, *(border for pair in borders for border in pair))


def _example(evaluated: Evaluated, places: Places, sides: tuple[SpanTable, ...]) -> Example:
    document = evaluated.documents[_sentence(places, sides)]
    found = [
        None if place < 0 else (int(table.start[place]), int(table.end[place]), table.labels[table.label[place]])
        for place, table in zip(places, sides, strict=True)
    ]
    tokens = document.tokens
    begin = min(tokens[each[0]][0] for each in found if each)
    end = max(tokens[each[1] - 1][1] for each in found if each)
    mentions = tuple(
        None if each is None else (document.text[tokens[each[0]][0] : tokens[each[1] - 1][1]], each[2])
        for each in found
    )
    return Example(document.id, _around(document.text, begin, end), mentions)


def _around(text: str, begin: int, end: int) -> str:
    """The text, cut at white space where it is long."""
    first, last = max(0, begin - _AROUND), min(len(text), end + _AROUND)
    if first:
        first = text.find(" ", first, begin) + 1 or begin
    if last < len(text):
        last = text.rfind(" ", end, last) if " " in text[end:last] else end
    return f"{'… ' if first else ''}{text[first:last].strip()}{' …' if last < len(text) else ''}"
