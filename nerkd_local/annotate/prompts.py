"""Chat messages for one sentence, from a versioned template, and the way back from its answer to mentions.

The instructions and worked examples come first and are the same for every sentence of a run, so that an
engine's prefix cache holds them; the sentence is the last line: `Text: <the text>`.

`standard` shows worked examples as turns of the chat. `cot` shows them in the instructions, without steps: people
have labelled those sentences, nobody has reasoned about them, and steps filled in by a rule would be what a model
imitates in place of thinking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

import jinja2

from nerkd_local.annotate.completer import Message
from nerkd_local.annotate.formats import LONGEST_ANSWER, Answer, Format, Mention
from nerkd_local.annotate.reasoning import allow_steps, allow_thinking, skip_steps, skip_thinking
from nerkd_local.annotate.settings import TASK, LabelDefinition, PromptName, Thinking
from nerkd_local.fingerprints import digest, hash_order
from nerkd_local.records import Document

VERSIONS: dict[PromptName, str] = {"standard": "standard.v1", "cot": "cot.v1"}
"""The template behind each prompt name. A changed text is a new version: stored answers stay attributable."""

# Every character that some tool takes for a line break becomes one space, so offsets stay the document's.
_LINE_BREAKS = dict.fromkeys(map(ord, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), " ")


def text_line(text: str) -> str:
    """The contract's last line: `Text: ` and the text, line breaks in it replaced one for one by spaces."""
    return "Text: " + one_line(text)


def text_of(messages: Sequence[Message]) -> str:
    """The text that the last message asks about: the inverse of `text_line`."""
    return messages[-1].content.rpartition("\n")[2].removeprefix("Text: ")


class Prompt:
    """A prompt name made ready for a label set, an answer format and worked examples."""

    def __init__(
        self,
        name: PromptName,
        labels: Mapping[str, str | LabelDefinition],
        format: Format,
        demonstrations: Sequence[Document] = (),
        *,
        system_role: bool = True,
        thinking: Thinking = "none",
        task: str = TASK,
    ) -> None:
        """Without a `system_role`, the first user message begins with the instructions, and those with the `task`.

        `thinking` is how the model hands over what it thinks before it answers.
        """
        self.version = VERSIONS[name]
        self.labels = {label: LabelDefinition.model_validate(meaning) for label, meaning in labels.items()}
        self.format = format
        self.demonstrations = tuple(demonstrations)
        self.has_steps = name == "cot"
        self.system_role = system_role
        self.thinking = thinking
        self.task = task.strip()

    @cached_property
    def prefix(self) -> tuple[Message, ...]:
        """What every sentence shares: the instructions, as a system message, and the turns of worked examples."""
        return self._prefix(self.demonstrations)

    def _prefix(self, demonstrations: Sequence[Document]) -> tuple[Message, ...]:
        examples = [(text_line(document.text), self._answer(document)) for document in demonstrations]
        instructions = _template(self.version).render(
            task=self.task,
            labels=self.labels,
            answer_format=self.format.instructions(list(self.labels)),
            examples=examples,
        )
        turns = [Message("system", instructions.strip())]
        if not self.has_steps:
            for question, answer in examples:
                turns += [Message("user", question), Message("assistant", answer)]
        return tuple(turns)

    def _answer(self, document: Document) -> str:
        """The right answer about a human-labelled document."""
        return self.format.write([Mention(one_line(document.text[s.start : s.end]), s.label) for s in document.spans])

    def messages(self, document: Document, demonstrations: Sequence[Document] | None = None) -> tuple[Message, ...]:
        """The whole chat for one sentence; with worked examples of its own, where `demonstrations` are given."""
        prefix = self.prefix if demonstrations is None else self._prefix(demonstrations)
        chat = (*prefix, Message("user", text_line(document.text)))
        if self.system_role:
            return chat
        instructions, question, *rest = chat
        return (Message("user", f"{instructions.content}\n\n{question.content}"), *rest)

    @cached_property
    def constraint(self) -> str:
        """The regular expression of all whole answers: thinking and steps, where there are any, then the format's."""
        answer = self.format.constraint(list(self.labels))
        return allow_thinking(allow_steps(answer) if self.has_steps else answer, self.thinking)

    def read(self, text: str, *, constrained: bool) -> Answer:
        """The mentions in what a model wrote, `constrained` or not. Never raises: what cannot be read is counted.

        Thinking that never ended holds no answer, and is one malformed piece; so is an answer that is far too long.
        Where a mention is written (`Mention.written`) counts from the beginning of `text`.
        """
        answer = skip_thinking(text, self.thinking, constrained=constrained)
        if answer is not None and self.has_steps:
            answer = skip_steps(answer)
        if answer is None or len(answer) > LONGEST_ANSWER:
            return Answer((), malformed=1)
        parsed = self.format.parse(answer)
        offset = len(text) - len(answer)  # the answer is what is left of the text's end
        return replace(parsed, mentions=tuple(mention.shifted(offset) for mention in parsed.mentions))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything a sentence's messages depend on besides the sentence and the `system_role`."""
        turns = [part for message in self.prefix for part in (message.role, message.content)]
        return digest(self.version, self.format.name, *turns)


def one_line(text: str) -> str:
    """The text as a prompt shows it: a space for each character that breaks lines."""
    return text.translate(_LINE_BREAKS)


@lru_cache(maxsize=len(VERSIONS))
def _template(version: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nerkd_local.annotate"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template(f"{version}.jinja")


def choose_demonstrations(pool: Sequence[Document], labels: Sequence[str], count: int, seed: int) -> list[Document]:
    """Worked examples from human-labelled sentences, fixed by the seed.

    In seeded order: first those that show a type not shown yet, so that few examples cover the label set where the
    pool can; then, where a place is left, one without a mention (a model that is only shown mentions finds some
    everywhere); then the next ones. Returns fewer where the pool is smaller.
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
    if len(chosen) < count:
        chosen += [document for document in order if not document.spans][:1]
    taken = {document.id for document in chosen}
    rest = [document for document in order if document.id not in taken]
    return chosen + rest[: count - len(chosen)]
