"""Chat messages for one sentence, from a versioned template.

The instructions and worked examples come first and are the same for every sentence of a run, so that an
engine's prefix cache holds them; the sentence is the last line: `Text: <the text>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources import files

import jinja2

from nerkd_local.annotate.completer import Message
from nerkd_local.annotate.formats import Format, Mention
from nerkd_local.fingerprints import digest, hash_order
from nerkd_local.records import Document

VERSIONS = {"standard": "standard.v1"}
"""The template behind each prompt name. A changed text is a new version: stored answers stay attributable."""

# Every character that some tool takes for a line break becomes one space, so offsets stay the document's.
_LINE_BREAKS = dict.fromkeys(map(ord, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), " ")


def text_line(text: str) -> str:
    """The contract's last line: `Text: ` and the text, line breaks in it replaced one for one by spaces."""
    return "Text: " + text.translate(_LINE_BREAKS)


def text_of(messages: Sequence[Message]) -> str:
    """The text that the last message asks about: the inverse of `text_line`."""
    return messages[-1].content.rpartition("\n")[2].removeprefix("Text: ")


class Prompt:
    """A prompt name made ready for a label set, an answer format and worked examples."""

    def __init__(
        self, name: str, labels: Mapping[str, str], format: Format, demonstrations: Sequence[Document] = ()
    ) -> None:
        self.version = VERSIONS[name]
        self.labels = dict(labels)
        self.format = format
        self.demonstrations = tuple(demonstrations)

    @cached_property
    def prefix(self) -> tuple[Message, ...]:
        """The messages that every sentence shares."""
        source = files("nerkd_local.annotate").joinpath("templates", f"{self.version}.jinja").read_text("utf-8")
        environment = jinja2.Environment(
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        system = environment.from_string(source).render(
            labels=self.labels, answer_format=self.format.instructions(list(self.labels))
        )
        turns = [Message("system", system.strip())]
        for document in self.demonstrations:
            mentions = [Mention(document.text[s.start : s.end], s.label) for s in document.spans]
            turns += [
                Message("user", text_line(document.text)),
                Message("assistant", self.format.write(mentions)),
            ]
        return tuple(turns)

    def messages(self, document: Document) -> tuple[Message, ...]:
        """The whole chat for one sentence."""
        return (*self.prefix, Message("user", text_line(document.text)))

    @cached_property
    def constraint(self) -> str:
        """The regular expression of all answers in this format."""
        return self.format.constraint(list(self.labels))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything a sentence's messages depend on besides the sentence."""
        turns = [part for message in self.prefix for part in (message.role, message.content)]
        return digest(self.version, self.format.name, *turns)


def choose_demonstrations(pool: Sequence[Document], labels: Sequence[str], count: int, seed: int) -> list[Document]:
    """Worked examples from human-labelled sentences, fixed by the seed.

    In seeded order, first those that show a type not shown yet, then the next ones, so that few examples
    cover the label set where the pool can. Returns fewer where the pool is smaller.
    """
    by_id = {document.id: document for document in pool}
    order = [by_id[id] for id in hash_order(by_id, "demonstrations", seed)]
    missing = set(labels)
    chosen: list[Document] = []
    for document in order:
        shown = {span.label for span in document.spans} & missing
        if shown and len(chosen) < count:
            chosen.append(document)
            missing -= shown
    taken = {document.id for document in chosen}
    rest = [document for document in order if document.id not in taken]
    return chosen + rest[: count - len(chosen)]
