"""Several answers to one question counted in two stages: is this a mention, and then of which type.

Counting whole entities at once would drop a mention that all answers have where they disagree on its type alone. Two
stages: Xie et al., 2310.10035.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.records import Document, Span

Spans = Sequence[Span]

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Ballot:
    """`spans` in text order; `votes[i]` is the share of the answers that have span i's borders, `type_votes[i]` the
    share of those that give them its type.
    """

    spans: tuple[Span, ...]
    votes: tuple[float, ...]
    type_votes: tuple[float, ...]


def count_votes(answers: Sequence[Spans]) -> Ballot:
    """What at least half of the answers have; `answers[0]` is the first one, asked without a draw.

    A mention is its borders. Of mentions that overlap, the one with more votes stays, then the longer, then the one
    that begins earlier. Its type is the most frequent one among the answers that have it; of several, the first
    answer's, then the first by name. The order of the answers behind the first changes nothing.
    """
    borders = Counter((span.start, span.end) for answer in answers for span in answer)
    types = Counter(span for answer in answers for span in answer)
    first = set(answers[0])
    kept: list[tuple[int, int]] = []
    for start, end in sorted(borders, key=lambda place: (-borders[place], place[0] - place[1], place)):
        if 2 * borders[start, end] >= len(answers) and all(end <= low or high <= start for low, high in kept):
            kept.append((start, end))
    spans = []
    for place in sorted(kept):
        candidates = [span for span in types if (span.start, span.end) == place]
        spans.append(min(candidates, key=lambda span: (-types[span], span not in first, span.label)))
    return Ballot(
        tuple(spans),
        tuple(round(borders[span.start, span.end] / len(answers), _DIGITS) for span in spans),
        tuple(round(types[span] / borders[span.start, span.end], _DIGITS) for span in spans),
    )


def count_tags(document: Document, answers: Sequence[Spans]) -> list[dict[str, float]]:
    """The share of the answers behind each IOB2 tag of each token: what `records.TAG_VOTES` holds."""
    tagged = [spans_to_tags(Document(document.id, document.text, document.tokens, tuple(answer))) for answer in answers]
    columns = [Counter(tags) for tags in zip(*tagged, strict=True)]
    return [{tag: round(count / len(answers), _DIGITS) for tag, count in sorted(column.items())} for column in columns]
