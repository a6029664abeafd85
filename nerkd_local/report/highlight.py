"""Labelled text for a terminal, safe to print whoever wrote the text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from zlib import crc32

import click

from nerkd_local.records import CONFIDENCES, Document, Span

_COLORS = ("green", "cyan", "blue", "yellow", "magenta", "red")

# All of Unicode's control and format characters, surrogates, line and paragraph separators are outside `\w`, and
# so is white space; what matches and is none of them is looked up once.
_SUSPECT = re.compile(r"[^\w !-~]")
_ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # part of how Persian, Indic scripts and emoji are written; they move nothing


def highlight(document: Document, *, color: bool) -> str:
    """The document's text on one line with its spans marked: `[PER Ada Lovelace .98] lived in [LOC London .95].`

    With `color`, mentions stand in their label's colour instead of brackets, label and confidence after them
    (terminal escape sequences, by click). The confidence is what a student left in the document's `meta`, in
    two decimals and never more than .99; spans without one show their label only. Text and labels go through
    `visible`. To be read, not parsed: brackets that the text has itself look the same.
    """
    confidences: Sequence[object] = document.meta.get(CONFIDENCES) or ()
    if len(confidences) != len(document.spans):
        confidences = (None,) * len(document.spans)
    pieces = []
    position = 0
    for span, confidence in zip(document.spans, confidences, strict=True):
        pieces.append(visible(document.text[position : span.start]))
        pieces.append(_mark(span, visible(document.text[span.start : span.end]), confidence, color))
        position = span.end
    pieces.append(visible(document.text[position:]))
    return "".join(pieces)


def highlight_corpus(documents: Iterable[Document], *, color: bool) -> Iterator[str]:
    """`highlight` for many sentences, each a line, with a line `==> name <==` wherever `meta["document"]` changes."""
    current, gap = None, ""
    for document in documents:
        name = document.meta.get("document")
        if name is not None and name != current:
            heading = f"==> {visible(str(name))} <=="
            yield f"{gap}{click.style(heading, bold=True) if color else heading}\n"
        yield f"{highlight(document, color=color)}\n"
        current, gap = name, "\n"


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with every character a terminal would act on written out as JSON writes it: `\u001b`, `\n`.

    These are the control characters (C0, DEL, C1, so no escape sequence gets through), format characters such as
    those that reverse the reading direction, lone surrogates, and line and paragraph separators; not the two
    joiners (U+200C, U+200D), which ordinary words of some languages hold. Those in `keep` stay as they are. JSON
    remains the same JSON.
    """
    return _SUSPECT.sub(lambda match: match[0] if match[0] in keep else _shown(match[0]), text)


@cache
def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _ACTING:
        return character
    return json.dumps(character)[1:-1]


def _mark(span: Span, mention: str, confidence: object, color: bool) -> str:
    label = visible(span.label)
    # A rounded 1.00 would claim what no student can know.
    sure = f" {min(confidence, 0.99):.2f}".replace(" 0.", " .") if isinstance(confidence, int | float) else ""
    if not color:
        return f"[{label} {mention}{sure}]"
    # The divisor is the least that gives the four types of CoNLL-2003 four colours.
    shade = _COLORS[crc32(span.label.encode("utf-8", "replace")) // 3 % len(_COLORS)]
    return click.style(mention, fg=shade, bold=True, underline=True) + click.style(f" {label}{sure}", fg=shade)
