"""The account of an annotation run: every sentence and every mention in exactly one state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from nerkd_local.annotate.align import MENTION_STATES, MentionState
from nerkd_local.annotate.completer import FinishReason
from nerkd_local.records import Document

SentenceState = Literal["annotated", "truncated", "looped", "malformed", "too_long", "quarantined", "unanswered"]
"""What became of one sentence. Only `annotated` ones carry labels.

annotated   the answer was read (it may hold no mention)
truncated   the answer was still going on at the end of its room
looped      the answer repeated itself without end
malformed   nothing in the answer could be read
too_long    the prompt exceeds the model's room
quarantined the engine died of the question
unanswered  no answer is stored yet
"""

SENTENCE_STATES: tuple[SentenceState, ...] = get_args(SentenceState)


def is_usable(document: Document) -> bool:
    """Whether the document may serve as a training example: its answer was read, or it never had one.

    One without a usable answer has no labels, and would teach that there is nothing in it.
    """
    return bool(document.meta.get("status", "annotated") == "annotated")


@dataclass
class Ledger:
    """Counts that add up: sentences by state, mentions by state, tokens and finish reasons beside them."""

    sentences: Counter[SentenceState] = field(default_factory=Counter)
    mentions: Counter[MentionState] = field(default_factory=Counter)
    finished: Counter[FinishReason] = field(default_factory=Counter)
    logprobs: Counter[str] = field(default_factory=Counter)
    """Answers by what is kept of their tokens' log-probabilities: `raw`, `masked`, `not kept`; empty where none are
    asked for."""
    nested: int = 0
    """How many of the overlapping mentions stand inside another one, or around one."""
    prompt_tokens: int = 0
    output_tokens: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with every state named, zeros included."""
        return {
            "sentences": {state: self.sentences[state] for state in SENTENCE_STATES},
            "sentences_total": self.sentences.total(),
            "mentions": {state: self.mentions[state] for state in MENTION_STATES},
            "mentions_total": self.mentions.total(),
            "finish_reasons": dict(sorted(self.finished.items())),
            **({"overlapping_as_nested": self.nested} if self.nested else {}),
            **({"token_logprobs": dict(sorted(self.logprobs.items()))} if self.logprobs else {}),
            "prompt_tokens": self.prompt_tokens,
            "output_tokens": self.output_tokens,
        }


def describe(ledger: Mapping[str, Any]) -> str:
    """Two lines for a person, from `Ledger.to_json`: states that did not occur are left out. And one for each kind of
    further answers, with what they cost.
    """
    lines = [f"{kind}: {_line(ledger[kind], ledger[f'{kind}_total'])}" for kind in ("sentences", "mentions")]
    if votes := ledger.get("votes"):
        lines.append(
            f"votes: {votes['sentences']:,} sentences with {votes['samples']} further answers, {votes['changed']:,} "
            f"changed by them; {_tokens(votes)}"
        )
    if verified := ledger.get("verification"):
        said = ", ".join(f"{verified[name]:,} {name.replace('_', ' ')}" for name in ("yes", "no", "without_verdict"))
        lines.append(f"second pass: the mentions of {verified['sentences']:,} sentences, {said}; {_tokens(verified)}")
    return "\n".join(lines)


def _tokens(cost: Mapping[str, int]) -> str:
    return f"{cost['prompt_tokens']:,} tokens in and {cost['output_tokens']:,} out"


def _line(counts: Mapping[str, int], total: int) -> str:
    parts = [f"{count:,} {state.replace('_', ' ')}" for state, count in counts.items() if count]
    return f"{total:,} = {' + '.join(parts)}" if parts else "0"
