"""What the stages hand each other.

All offsets are half-open and count Unicode code points of `Document.text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

RAW_TAGS = "tags"
"""The key of `Document.meta` under which a student leaves the IOB2 tags that its spans were read from."""

CONFIDENCES = "confidences"
"""The key of `Document.meta` under which a student or an annotator leaves its confidence in each of its spans, in
their order: numbers from 0 to 1."""

OF_LABELS = "of_labels"
"""The key of `Document.meta` under which a student leaves its probability of each of the spans that the document had
before it put its own there, in their order: numbers from 0 to 1."""

OF_NOTHING = "of_nothing"
"""Beside `OF_LABELS`, for each of those spans: the student's probability that none of its words is in a mention."""

TOKEN_WEIGHTS = "token_weights"
"""The key of `Document.meta` for how much each token of a distilled document counts in training: numbers from 0 (not at
all) on, one a token."""

TAG_VOTES = "tag_votes"
"""The key of `Document.meta` for what several answers made of each token of a distilled document: one object a token,
IOB2 tags to shares that sum to 1. They stand for the spans' tags in training."""

SIGNALS = "signals"
"""The key of `Document.meta` for what an annotator's confidence in each of its spans is made of: one object a span, in
their order, names to numbers (see `annotate.signals`). `CONFIDENCES` beside it holds one number made of them."""

ANSWER_LOGPROB = "answer_logprob"
"""The key of `Document.meta` for the mean logarithm of the probabilities of all tokens of an annotator's answer: what
there is to know of an answer without mentions."""

SELECTED = "selected"
"""The key of `Document.meta` for what selection did: `sentence` and one of `entities` for each span, each with what was
decided (kept, weighted, masked, dropped) and why (see `select`)."""

Source = Literal["original", "distilled"]
"""Whose labels: `original` are human, `distilled` are an LLM's (the paper's words)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled mention, `text[start:end]`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """One text to label: a sentence, or a few.

    `tokens` are `(start, end)` offsets, ascending and not overlapping. `spans` are ascending, do not
    overlap, and begin and end on token borders. `meta` is plain JSON: where the text came from
    (`document`, `line`, `offset`), and for distilled labels what became of the answer (`status`).

    Raises ValueError where the offsets break these rules.
    """

    id: str
    text: str
    tokens: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        end = 0
        for token in self.tokens:
            if not end <= token[0] < token[1] <= len(self.text):
                raise ValueError(f"token {token} is empty, out of order or outside the text (length {len(self.text)})")
            end = token[1]
        if not self.spans:
            return
        starts = {start for start, _ in self.tokens}
        ends = {end for _, end in self.tokens}
        end = 0
        for span in self.spans:
            where = f"span ({span.start}, {span.end}, {span.label!r})"
            if span.end > len(self.text):
                raise ValueError(f"{where} ends after the text (length {len(self.text)})")
            if span.start >= span.end:
                raise ValueError(f"{where} is empty")
            if span.start < end:
                raise ValueError(f"{where} overlaps the one before it, or is out of order")
            if span.start not in starts or span.end not in ends:
                raise ValueError(f"{where} does not begin and end on token borders")
            end = span.end

    @property
    def words(self) -> list[str]:
        """The tokens as strings."""
        return [self.text[start:end] for start, end in self.tokens]


def from_words(
    id: str, words: list[str], spans: tuple[Span, ...] = (), meta: Mapping[str, Any] | None = None
) -> Document:
    """The document whose text is the words joined by single spaces (a CoNLL sentence)."""
    tokens, position = [], 0
    for word in words:
        tokens.append((position, position + len(word)))
        position += len(word) + 1
    return Document(id, " ".join(words), tuple(tokens), spans, meta or {})
