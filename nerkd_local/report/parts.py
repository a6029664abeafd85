"""What a report is made of: figures, tables and text in sections, and sentences to leaf through.

Plain data, whoever makes it and whatever shows it. All text in it is untrusted and shown as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """`draw` writes it to the path that it is given, as PNG or SVG by the path's suffix. `name` is its file's stem, one
    of a kind in a report; `alt` says in a sentence what is to be seen, for those who do not see it."""

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` are the cells as they are shown, one for each of `headers`; the columns named in `left` are aligned so,
    the others right. `records` is the same at full precision, for the CSV file; without them it holds the cells.
    `quotes` says that sentences of a corpus stand in it: a report without sentences leaves it out. `names` says that
    sentences are called in it by the ids of their corpus: a report without ids leaves it out."""

    name: str
    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ()
    caption: str = ""
    records: tuple[Mapping[str, object], ...] = ()
    quotes: bool = False
    names: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; with `code`, lines to be copied as they are. `quotes` as for a table."""

    text: str
    code: bool = False
    quotes: bool = False


Part: TypeAlias = Figure | Table | Text


@dataclass(frozen=True, slots=True)
class Section:
    """`key` is its anchor, one of a kind. `lead` says what is to be seen in a sentence or two; a section without parts
    says there why it has none."""

    key: str
    title: str
    lead: str
    parts: tuple[Part, ...] = ()


MentionState: TypeAlias = Literal["right", "type", "boundary", "both", "spurious", "missed", "unknown"]
"""What a mention is against the human labels: found exactly; with another type; with other borders; with both;
invented; a human one that was not found; or nothing known, where there are no human labels."""

STATES: tuple[MentionState, ...] = ("right", "type", "boundary", "both", "spurious", "missed", "unknown")


@dataclass(frozen=True, slots=True)
class Mention:
    """`text[start:end]` with its label. `confidence` in [0, 1] where there is one."""

    start: int
    end: int
    label: str
    state: MentionState = "unknown"
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with everybody's labels: by layer (`Sentences.layers`), ascending and without overlap. A layer that
    does not know the sentence is absent from `labels`; one that found nothing has an empty tuple. `missed` mentions are
    of the layer that missed them. `state` is what became of the annotator's answer, or empty."""

    id: str
    text: str
    group: str
    labels: Mapping[str, Sequence[Mention]]
    state: str = ""


@dataclass(frozen=True, slots=True)
class Sentences:
    """What the browser shows. `layers`: the human labels' name first, then annotators', then students'; `roles` says of
    each which it is. `groups`: where sentences come from, such as the evaluation corpus or a distilled source."""

    sentences: Sequence[Sentence]
    layers: tuple[str, ...]
    roles: Mapping[str, Literal["original", "annotator", "student"]]
    groups: tuple[str, ...]
    left_out: str = ""
    """What is not among them, and why, in a sentence; empty where all are."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole page. `answer`: what was found, in paragraphs; `facts`: name and value, short, under the title."""

    title: str
    answer: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    sentences: Sentences | None = None
    cautions: tuple[str, ...] = field(default=())
    """What a reader must know before believing it, such as students that are missing."""
