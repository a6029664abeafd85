"""Alignment as it is meant, in the plainest way and without any bound on its work: what `align` is compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nerkd_local.annotate.formats import Mention
from nerkd_local.annotate.normalise import fold
from nerkd_local.records import Document, Span


@dataclass(frozen=True)
class Chain:
    covered: int
    places: tuple[tuple[int, int, int], ...]
    """(number of the mention, start, end), left to right."""

    @property
    def end(self) -> int:
        return self.places[-1][2] if self.places else 0


def plain_align(
    document: Document, mentions: Sequence[Mention], labels: Collection[str]
) -> tuple[list[Span], list[str]]:
    """The spans in text order and the state of each mention."""
    found = [plain_places(document, mention.text) if mention.label in labels else [] for mention in mentions]
    states = ["hallucinated" if mention.label in labels else "bad_type" for mention in mentions]
    taken: list[Span] = []
    for number, start, end in _best_chain(found).places:
        taken.append(Span(start, end, mentions[number].label))
        states[number] = "accepted" if document.text[start:end] == mentions[number].text else "repaired"
    for number, mention in enumerate(mentions):
        if states[number] != "hallucinated" or not found[number]:
            continue
        free = [p for p in found[number] if all(p[1] <= other.start or other.end <= p[0] for other in taken)]
        if free:
            taken.append(Span(*free[0], mention.label))
            states[number] = "repaired"
        else:
            same = any(Span(*place, mention.label) in taken for place in found[number])
            states[number] = "duplicate" if same else "overlap"
    return sorted(taken, key=lambda span: span.start), states


def plain_places(document: Document, mention: str) -> list[tuple[int, int]]:
    """Every range of whole tokens that is the mention; if there is none, those that hold it, folded, as a word."""
    text, tokens = document.text, document.tokens
    verbatim = [(s, e) for s, _ in tokens for _, e in tokens if s < e and text[s:e] == mention]
    folded, wanted = fold(text), fold(mention).text
    if verbatim or not wanted:
        return verbatim
    loose = []
    for at in range(len(folded.text)):
        if not folded.text.startswith(wanted, at):
            continue
        start, end = folded.starts[at], folded.ends[at + len(wanted) - 1]
        if (start > 0 and text[start - 1].isalnum() and text[start].isalnum()) or (
            end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
        ):
            continue
        # from the token that holds the first character, or the next one, to the one that holds the last, or before
        first = next((s for s, e in tokens if e > start), None)
        last = next((e for s, e in reversed(tokens) if s < end), None)
        if first is not None and last is not None and first < last and (first, last) not in loose[-1:]:
            loose.append((first, last))
    return loose


def _best_chain(found: Sequence[Sequence[tuple[int, int]]]) -> Chain:
    """The chain that covers most; of those the one that ends first; of those the one made first.

    For each end the best chain made so far is kept. A chain replaces what covers no more and ends no earlier.
    """
    best = [Chain(0, ())]
    for number, places in enumerate(found):
        longer = []
        for start, end in places:
            before = max((chain for chain in best if chain.end <= start), key=lambda chain: chain.covered)
            longer.append(Chain(before.covered + end - start, (*before.places, (number, start, end))))
        for chain in longer:
            if any(other.end <= chain.end and other.covered >= chain.covered for other in best):
                continue
            best = [other for other in best if other.end < chain.end or other.covered > chain.covered]
            best.append(chain)
    return max(best, key=lambda chain: chain.covered)
