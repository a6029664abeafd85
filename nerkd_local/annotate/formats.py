"""Answer formats: how mentions are written by the model, constrained by the engine, and read back.

`lines` costs about half the output tokens of `json`; which one a model does better with is to be measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nerkd_local.files import parse_json

LONGEST_ANSWER = 100_000
"""In characters, without the reasoning before it. A longer answer is no list of mentions; nothing of it is read."""


@dataclass(frozen=True, slots=True)
class Mention:
    """What the model wrote: a string that should stand in the text, and a type. Not yet a place in the text."""

    text: str
    label: str


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
        lines = [line.strip(" \r") for line in text.strip("\n\r ").split("\n")]
        if lines == ["NONE"]:
            return Answer(())
        mentions, malformed = [], 0
        for line in lines:
            label, tab, mention = line.partition("\t")
            if tab and label.strip() and mention.strip():
                mentions.append(Mention(mention.strip(), label.strip()))
            else:
                malformed += 1
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
        try:
            value = parse_json(_without_fence(text))
        except ValueError:
            return Answer((), malformed=1)
        entities = value.get("entities") if isinstance(value, dict) else None
        if not isinstance(entities, list):
            return Answer((), malformed=1)
        mentions, malformed = [], 0
        for entity in entities:
            mention = _json_mention(entity)
            if mention is None:
                malformed += 1
            else:
                mentions.append(mention)
        return Answer(tuple(mentions), malformed)

    def constraint(self, labels: Sequence[str]) -> str:
        # A regular expression, not a JSON schema: with a schema the engine either admits white space without
        # end or none at all, and a model that learnt `": "` answers worse (or nothing) when it may not write it.
        character = r'([^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})'
        first = rf'([^"\\{_SPACE}]|\\["\\/]|\\u[0-9a-fA-F]{{4}})'
        entity = rf'\{{"text": ?"{first}{character}*", ?"type": ?"({_any_of(labels)})"\}}'
        return rf'\{{"entities": ?\[({entity}(, ?{entity})*)?\]\}}'


_SPACE = "\\x00-\\x20\\x85\\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What a mention may not begin with, for a character class: one of white space alone would be no mention."""


def _any_of(labels: Sequence[str]) -> str:
    return "|".join(re.escape(label) for label in labels)


def _json_mention(entity: object) -> Mention | None:
    if not isinstance(entity, dict):
        return None
    text, label = entity.get("text"), entity.get("type")
    if not isinstance(text, str) or not isinstance(label, str) or not text.strip() or not label.strip():
        return None
    return Mention(text.strip(), label.strip())


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
