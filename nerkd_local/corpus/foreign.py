"""JSON lines from elsewhere: words or text, labels as spans or tags, or the project's own exact format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nerkd_local.corpus.jsonl import (
    UniqueIds,
    parse_meta,
    parse_offsets,
    parse_spans,
    parse_string,
)
from nerkd_local.corpus.nesting import Nested, find_overlap, flatten
from nerkd_local.corpus.schemes import Scheme, TagError, detect_scheme, tags_to_spans, to_iob2
from nerkd_local.corpus.text import tokenize
from nerkd_local.errors import InputError, nearest
from nerkd_local.files import read_json_lines
from nerkd_local.quoting import quoted
from nerkd_local.records import Document, Span, from_words

_KEYS = ("id", "text", "tokens", "spans", "tags", "meta")
_IGNORED = ("answer",)  # recorded answers: the replay engine's business


FLATTENED = "flattened"
"""The key of `Document.meta` for how many of a document's spans were left out since they overlap others."""


def read_foreign(
    path: Path,
    *,
    scheme: Literal["auto"] | Scheme = "auto",
    nested: Literal["refuse"] | Nested = "refuse",
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Document]:
    """The sentences of a JSON lines file, in file order, as a stream; blank lines are passed over.

    Keys, all optional but text or tokens:
    `id`      default `<stem>:<n>`, n counting the objects from 0
    `text`    default: the words joined by single spaces
    `tokens`  words, or `[start, end]` offsets into the text; default: the tokenizer's words, cut further
              where a span begins or ends inside one
    `spans`   `[start, end, label]`, offsets into the text, in any order; where some overlap (one inside another, as
              a rule), `nested` says which are kept, and `meta["flattened"]` how many are not
    `tags`    one a token, instead of spans; scheme "auto" reads the file once more to find the scheme
    `meta`    kept as it is
    `answer`  (a recorded answer) is passed over, any other key is an error. Memory grows by 24 bytes a document.
    `say` hears at the end how many spans were left out, if any were.

    Raises InputError with file and line for what does not fit together, and, at the end, for a repeated id.
    """
    seen = UniqueIds(path)
    kept = left_out = 0
    for number, (line, value) in enumerate(read_json_lines(path)):
        if scheme == "auto" and value.get("tags") is not None:
            scheme = _scheme_of(path)
        try:
            document = _record(value, f"{path.stem}:{number}", "IOB2" if scheme == "auto" else scheme, nested)
        except ValueError as error:
            raise InputError(f"{error}; correct the line", path=path, line=line) from None
        seen.add(document.id, line)
        kept += len(document.spans)
        left_out += max(len(value.get("spans", ())) - len(document.spans), 0)
        yield document
    seen.check()
    if left_out:
        say(f"{path}: {left_out:,} of {kept + left_out:,} spans overlap others and were left out (nested: {nested})")


def _record(value: Mapping[str, Any], default_id: str, scheme: Scheme, nested: Literal["refuse"] | Nested) -> Document:
    for key in value:
        if key not in _KEYS and key not in _IGNORED:
            raise ValueError(f"unknown key {key!r}{nearest(key, _KEYS)}")
    if "spans" in value and "tags" in value:
        raise ValueError("both spans and tags; give one of them")
    id = parse_string(value.get("id", default_id), "id")
    meta = parse_meta(value.get("meta", {}))
    spans = tuple(sorted(parse_spans(value.get("spans", [])), key=lambda span: (span.start, span.end)))
    text, tokens = _text_and_tokens(value, spans)
    if overlapping := find_overlap(spans):
        if nested == "refuse":
            one, other = (f"({span.start}, {span.end}, {span.label!r})" for span in overlapping)
            raise ValueError(f"the spans {one} and {other} overlap; set nested: outermost or innermost to keep one")
        for span in spans:
            Document(id, text, tokens, (span,))  # those that are left out have to be right, too
        flat = flatten(spans, nested)
        meta[FLATTENED] = len(spans) - len(flat)
        spans = flat
    if not tokens:
        raise ValueError("no words")
    if "tags" in value:
        tags = _tags(value)
        if len(tags) != len(tokens):
            raise ValueError(f"{len(tags)} tags for {len(tokens)} tokens")
        spans = tags_to_spans(to_iob2(tags, scheme), tokens, strict=True)
    return Document(id, text, tokens, spans, meta)


def _text_and_tokens(value: Mapping[str, Any], spans: Sequence[Span]) -> tuple[str, tuple[tuple[int, int], ...]]:
    words = value.get("tokens")
    has_words = isinstance(words, list) and any(isinstance(word, str) for word in words)
    if "text" not in value:
        if not has_words:
            raise ValueError("neither a text nor a list of words in 'tokens'")
        bare = from_words("", [parse_string(word, "tokens") for word in words or ()])
        return bare.text, bare.tokens
    text = parse_string(value["text"], "text", empty=True)
    if words is None:
        return text, _cut(tokenize(text), spans)
    if has_words:
        return text, _placed([parse_string(word, "tokens") for word in words], text)
    return text, parse_offsets(words)


def _placed(words: Iterable[str], text: str) -> tuple[tuple[int, int], ...]:
    """The offsets of the words in a text that holds them in order with nothing but white space between."""
    tokens = []
    position = 0
    for index, word in enumerate(words):
        start = position
        while start < len(text) and text[start].isspace() and not text.startswith(word, start):
            start += 1
        if not text.startswith(word, start):
            raise ValueError(f"word {index}, {quoted(word)}, does not stand at offset {start} of the text")
        position = start + len(word)
        tokens.append((start, position))
    if text[position:].strip():
        raise ValueError(f"the text goes on after the last word, at offset {position}")
    return tuple(tokens)


def _cut(tokens: Iterable[tuple[int, int]], spans: Iterable[Span]) -> tuple[tuple[int, int], ...]:
    """The tokens, cut in two wherever a span has a border inside one."""
    borders = sorted({border for span in spans for border in (span.start, span.end)}, reverse=True)
    pieces = []
    for start, end in tokens:
        while borders and borders[-1] <= start:
            borders.pop()
        while borders and borders[-1] < end:
            pieces.append((start, borders[-1]))
            start = borders.pop()
        pieces.append((start, end))
    return tuple(pieces)


def _tags(value: Mapping[str, Any]) -> list[str]:
    tags = value["tags"]
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("'tags' is not a list of strings")
    return tags


def _scheme_of(path: Path) -> Scheme:
    lines: list[int] = []

    def sentences() -> Iterator[list[str]]:
        for line, value in read_json_lines(path):
            lines.append(line)
            try:
                yield _tags(value) if value.get("tags") is not None else []
            except ValueError as error:
                raise InputError(f"{error}; correct the line", path=path, line=line) from None

    try:
        return detect_scheme(sentences()).scheme
    except TagError as error:
        raise InputError(str(error), path=path, line=lines[error.sentence]) from None
