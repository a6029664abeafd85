"""Answer formats: how mentions are written by the model, constrained by the engine, and read back.

`lines` costs about half the output tokens of `json`; which one a model does better with is to be measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from nerkd_local.files import parse_json

LONGEST_ANSWER = 100_000
"""In characters, without the reasoning before it. A longer answer is no list of mentions; nothing of it is read."""


class Written(NamedTuple):
    """Where a mention and its type stand in the answer, `answer[start:end]` each: half-open code points."""

    mention: tuple[int, int]
    label: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mention:
    """What the model wrote: a string that should stand in the text, and a type. Not yet a place in the text."""

    text: str
    label: str
    written: Written | None = field(default=None, compare=False, repr=False)
    """Where it was read from; None where it was read from no answer. Of no part in what it is equal to."""

    def shifted(self, offset: int) -> Mention:
        """The same, where the answer is a part of a text and begins there."""
        if self.written is None or not offset:
            return self
        (start, end), (label_start, label_end) = self.written
        written = Written((start + offset, end + offset), (label_start + offset, label_end + offset))
        return replace(self, written=written)


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer: mentions in the order written, and how many pieces of it could not be read."""

    mentions: tuple[Mention, ...]
    malformed: int = 0


class Format(Protocol):
    """One way to write a list of mentions."""

    name: str
    tokens_a_mention: int
    """What a mention costs beside its own text, roughly, in tokens."""

    def instructions(self, labels: Sequence[str]) -> str:
        """What the prompt says of the format."""
        ...

    def write(self, mentions: Sequence[Mention]) -> str:
        """The answer a perfect model would give (for worked examples)."""
        ...

    def parse(self, text: str) -> Answer:
        """Read an answer. Never raises: what cannot be read is counted."""
        ...

    def constraint(self, labels: Sequence[str]) -> str:
        """The regular expression of all well-formed answers, for engines that constrain their output."""
        ...


class Lines:
    """`TYPE<TAB>mention`, one line an occurrence; `NONE` if there are none."""

    name = "lines"
    tokens_a_mention = 4

    def instructions(self, labels: Sequence[str]) -> str:
        return (
            "Answer with one line for each mention: the type, a tab, the mention. "
            "Answer NONE if there is no mention. Write nothing else."
        )

    def write(self, mentions: Sequence[Mention]) -> str:
        return "\n".join(f"{mention.label}\t{mention.text}" for mention in mentions) or "NONE"

    def parse(self, text: str) -> Answer:
        body = text.strip("\n\r ")
        if body == "NONE":
            return Answer(())
        mentions, malformed = [], 0
        start = len(text) - len(text.lstrip("\n\r "))
        for line in body.split("\n"):
            label, tab, mention = line.partition("\t")
            if tab and label.strip() and mention.strip():
                written = Written(_stripped(mention, start + len(label) + 1), _stripped(label, start))
                mentions.append(Mention(mention.strip(), label.strip(), written))
            else:
                malformed += 1
            start += len(line) + 1
        return Answer(tuple(mentions), malformed)

    def constraint(self, labels: Sequence[str]) -> str:
        line = f"({_any_of(labels)})\\t[^{_SPACE}][^\\t\\n\\r]*"
        return f"NONE|{line}(\\n{line})*"


class Json:
    """`{"entities": [{"text": ..., "type": ...}]}`, every occurrence in text order."""

    name = "json"
    tokens_a_mention = 14

    def instructions(self, labels: Sequence[str]) -> str:
        return (
            'Answer with one JSON object: {"entities": [{"text": the mention, "type": its type}]}. '
            "The list is empty if there is no mention. Write nothing else."
        )

    def write(self, mentions: Sequence[Mention]) -> str:
        entities = [{"text": mention.text, "type": mention.label} for mention in mentions]
        return json.dumps({"entities": entities}, ensure_ascii=False)

    def parse(self, text: str) -> Answer:
        if _is_deep(text):
            return Answer((), malformed=1)
        inside = _without_fence(text)
        try:
            value = parse_json(inside)
        except ValueError:
            return Answer((), malformed=1)
        entities = value.get("entities") if isinstance(value, dict) else None
        if not isinstance(entities, list):
            return Answer((), malformed=1)
        mentions, malformed = [], 0
        offset = 0 if inside == text else text.find(inside, text.find("\n", text.find("```")))
        for entity, written in zip(entities, _json_written(inside, value), strict=True):
            mention = _json_mention(entity, written)
            if mention is None:
                malformed += 1
            else:
                mentions.append(mention.shifted(offset))
        return Answer(tuple(mentions), malformed)

    def constraint(self, labels: Sequence[str]) -> str:
        # A regular expression, not a JSON schema: with a schema the engine either admits white space without
        # end or none at all, and a model that learnt `": "` answers worse (or nothing) when it may not write it.
        character = r'([^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})'
        first = rf'([^"\\{_SPACE}]|\\["\\/]|\\u[0-9a-fA-F]{{4}})'
        entity = rf'\{{"text": ?"{first}{character}*", ?"type": ?"({_any_of(map(json_inside, labels))})"\}}'
        return rf'\{{"entities": ?\[({entity}(, ?{entity})*)?\]\}}'


_SPACE = "\\x00-\\x20\\x85\\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What a mention may not begin with, for a character class: one of white space alone would be no mention."""


def json_inside(text: str) -> str:
    """What stands between the quotes of a string in JSON, as `Json.write` writes it."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _any_of(labels: Iterable[str]) -> str:
    return "|".join(re.escape(label) for label in labels)


def _stripped(piece: str, start: int) -> tuple[int, int]:
    """Where a piece that begins at `start` stands without the white space around it."""
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


_JSON_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)


def _json_written(text: str, value: dict[str, Any]) -> Iterator[Written | None]:
    """Where each entity of an answer that was read as `value` has its mention and type, without the quotes.

    The strings of the text are those of the value in the same order, as a key stands in no object twice. None for an
    entity without them.
    """
    strings = _JSON_STRING.finditer(text)

    def skip(value: object) -> None:
        if isinstance(value, str):
            next(strings)
        elif isinstance(value, dict):
            for item in value.values():
                next(strings)
                skip(item)
        elif isinstance(value, list):
            for item in value:
                skip(item)

    def place(entity: object) -> Written | None:
        if not isinstance(entity, dict):
            skip(entity)
            return None
        found: dict[str, tuple[int, int]] = {}
        for key, item in entity.items():
            next(strings)
            if isinstance(item, str):
                found[key] = next(strings).span(1)
            else:
                skip(item)
        return Written(found["text"], found["type"]) if found.keys() >= {"text", "type"} else None

    for key, item in value.items():
        next(strings)
        if key == "entities":
            yield from (place(entity) for entity in item)
            return
        skip(item)


def _json_mention(entity: object, written: Written | None) -> Mention | None:
    if not isinstance(entity, dict):
        return None
    text, label = entity.get("text"), entity.get("type")
    if not isinstance(text, str) or not isinstance(label, str) or not text.strip() or not label.strip():
        return None
    return Mention(text.strip(), label.strip(), written)


_DEEPEST = 100
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def _is_deep(text: str) -> bool:
    """Whether JSON is nested deeper than any answer is.

    How deep Python itself reads depends on the calls it stands in, and an answer has to read the same everywhere.
    """
    if text.count("{") + text.count("[") <= _DEEPEST:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        piece = match[0]
        if piece in "{[":
            depth += 1
            if depth > _DEEPEST:
                return True
        elif piece in "}]":
            depth -= 1
    return False


def _without_fence(text: str) -> str:
    """The inside of a Markdown code fence, where an unconstrained model put the whole answer into one."""
    lines = text.strip().split("\n")
    if len(lines) >= 3 and lines[0].startswith("```") and lines[-1].strip() == "```":
        return "\n".join(lines[1:-1])
    return text


_FORMATS: dict[str, Format] = {"lines": Lines(), "json": Json()}


def answer_format(name: str) -> Format:
    """The format of that name."""
    return _FORMATS[name]
