"""The account of a selection: every sentence and every entity in exactly one decision, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nerkd_local.select.decisions import DECISIONS, REASONS, Decision, Ruling, Verdict

KINDS = ("sentences", "entities")


@dataclass
class SelectionLedger:
    """Counts that add up: sentences and entities by decision and reason, and the words whose weight is not 1."""

    sentences: Counter[Ruling] = field(default_factory=Counter)
    entities: Counter[Ruling] = field(default_factory=Counter)
    words: Counter[Decision] = field(default_factory=Counter)
    """Of the sentences that are not dropped, by what became of the word."""
    missed: int = 0
    """Mentions that only the student has, whose words are masked so that no omission is taught."""

    def add(self, verdict: Verdict, words: int) -> None:
        """Count one sentence of so many words."""
        self.sentences[verdict.sentence] += 1
        self.entities.update(verdict.entities)
        self.missed += verdict.missed
        if verdict.sentence[0] == "dropped":
            self.words["dropped"] += words
        elif verdict.weights is None:
            self.words["kept"] += words
        else:
            self.words.update(_word(weight) for weight in verdict.weights)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with every decision named, zeros included; reasons where they occurred."""
        value: dict[str, Any] = {}
        for kind, rulings in zip(KINDS, (self.sentences, self.entities), strict=True):
            by_decision: Counter[Decision] = Counter()
            for (decision, _), count in rulings.items():
                by_decision[decision] += count
            value[kind] = {decision: by_decision[decision] for decision in DECISIONS}
            value[f"{kind}_total"] = rulings.total()
            value[f"{kind}_why"] = [
                {"decision": decision, "reason": reason, "count": rulings[decision, reason]}
                for decision in DECISIONS
                for reason in REASONS
                if rulings[decision, reason]
            ]
        value["words"] = {decision: self.words[decision] for decision in DECISIONS}
        value["words_total"] = self.words.total()
        value["missed"] = self.missed
        return value


def describe_selection(ledger: Mapping[str, Any]) -> str:
    """A line each for sentences, entities and words, from `SelectionLedger.to_json`, with what was masked beyond
    entities. What did not occur is left out."""
    lines = []
    for kind in KINDS:
        parts = [f"{row['count']:,} {row['decision']} ({_shown(row['reason'])})" for row in ledger[f"{kind}_why"]]
        lines.append(f"{kind}: {_sum(parts, ledger[f'{kind}_total'])}")
    words = [f"{count:,} {decision}" for decision, count in ledger["words"].items() if count]
    lines.append(f"words: {_sum(words, ledger['words_total'])}")
    if ledger["missed"]:
        lines.append(f"mentions that only the student has, masked: {ledger['missed']:,}")
    return "\n".join(lines)


def _sum(parts: list[str], total: int) -> str:
    return f"{total:,} = {' + '.join(parts)}" if parts else "0"


def _shown(reason: str) -> str:
    return reason.replace("_", " ")


def _word(weight: float) -> Decision:
    return "kept" if weight == 1 else "weighted" if weight else "masked"
