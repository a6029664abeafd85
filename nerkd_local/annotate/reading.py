"""From a raw answer to labels and the state of everything in it. The same answer reads the same at any time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from nerkd_local.annotate.align import MentionState, align
from nerkd_local.annotate.formats import Mention
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.ledger import SentenceState
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.corpus.nesting import Nested
from nerkd_local.records import Document, Span
from nerkd_local.store.rows import StoredAnswer

_UNUSABLE: dict[str, SentenceState] = {"too_long": "too_long", "failed": "quarantined"}
_CUT: dict[str, SentenceState] = {"length": "truncated", "loop": "looped"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says of a document: `mentions` counts what became of each piece of it."""

    state: SentenceState
    spans: tuple[Span, ...] = ()
    mentions: dict[MentionState, int] = field(default_factory=dict)
    sources: tuple[Mention, ...] = field(default=(), compare=False)
    """The mention that each span was read from, in the order of the spans."""
    states: tuple[MentionState, ...] = field(default=(), compare=False)
    """What became of those."""
    nested: int = field(default=0, compare=False)
    """How many of the overlapping mentions stand inside another, or around one."""


def read_answer(
    document: Document,
    answer: str,
    finish_reason: str,
    prompt: Prompt,
    labels: Collection[str],
    *,
    constrained: bool,
    nested: Nested = "outermost",
) -> Reading:
    """The spans that an answer gives a document. Never raises, whatever a model wrote.

    One that was cut off gives none: its last mention may be half a mention, the rest is missing (all of it, where
    thinking took the tokens), and using any would teach omissions.
    """
    if finish_reason in _UNUSABLE:
        return Reading(_UNUSABLE[finish_reason])
    parsed = prompt.read(answer, constrained=constrained)
    if finish_reason in _CUT:
        pieces = len(parsed.mentions) + parsed.malformed
        return Reading(_CUT[finish_reason], (), {"truncated": pieces} if pieces else {})
    alignment = align(document, parsed.mentions, labels, nested)
    counts: dict[MentionState, int] = {}
    for state in alignment.states:
        counts[state] = counts.get(state, 0) + 1
    if parsed.malformed:
        counts["malformed"] = parsed.malformed
    read: SentenceState = "malformed" if parsed.malformed and not parsed.mentions else "annotated"
    sources = tuple(parsed.mentions[number] for number in alignment.origins)
    states = tuple(alignment.states[number] for number in alignment.origins)
    return Reading(read, alignment.spans, counts, sources, states, alignment.nested)


def read_stored(document: Document, answer: StoredAnswer, job: AnnotationJob) -> Reading:
    """The reading of a stored answer to a job's question about the document."""
    return read_answer(
        document,
        answer.answer,
        answer.finish_reason,
        job.prompt,
        job.prompt.labels,
        constrained=job.constrained,
        nested=job.nested,
    )
