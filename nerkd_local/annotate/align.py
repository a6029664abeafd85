"""From mentions as written to places in the text, with an account of every one of them.

An annotator is asked for every occurrence in text order, so mentions and text are matched as two ordered
sequences: mentions are placed left to right without overlap so that they cover as much of the text as they can
(dynamic programming), and what that leaves over is tried out of order. Nothing is dropped without a state.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from nerkd_local.annotate.formats import Mention
from nerkd_local.annotate.normalise import Folded, fold
from nerkd_local.records import Document, Span

MentionState = Literal[
    "accepted", "repaired", "duplicate", "overlap", "hallucinated", "bad_type", "truncated", "malformed"
]
"""What became of one mention. Exactly one each:

accepted      stands verbatim in the text, in order, on token borders
repaired      placed after folding (case, width, quotes, white space), widening to whole tokens, or out of order
duplicate     no place left, and one it could have is taken by the same label already
overlap       no place left: each one overlaps another mention
hallucinated  nowhere in the text as a whole word
bad_type      a label that was not asked for
truncated     in an answer that was cut off: no label of such an answer is used
malformed     a piece of the answer that is no mention at all
"""

MENTION_STATES: tuple[MentionState, ...] = get_args(MentionState)


@dataclass(frozen=True, slots=True)
class Alignment:
    """`states[i]` is what became of mention i; `spans` are the accepted and repaired ones, in text order."""

    spans: tuple[Span, ...]
    states: tuple[MentionState, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    end: int
    verbatim: bool


@dataclass(frozen=True, slots=True)
class _Chain:
    """Mention `number` at `place`, after the chain `before`; together they cover so many characters."""

    number: int
    place: _Place
    covered: int
    before: _Chain | None


def align(document: Document, mentions: Sequence[Mention], labels: Collection[str]) -> Alignment:
    """Place the mentions, given in the order written, in the document's text.

    Spans lie on token borders and do not overlap. Ties are broken towards the start of the text. Time grows with
    the number of places squared at worst (repeats in an answer's length bound it) and linearly with the text.
    """
    finder = _Finder(document)
    states: list[MentionState] = ["hallucinated"] * len(mentions)
    places: list[list[_Place]] = []
    for number, mention in enumerate(mentions):
        known = mention.label in labels
        if not known:
            states[number] = "bad_type"
        places.append(finder.places(mention.text) if known else [])

    taken: list[tuple[_Place, str]] = []
    for number, place in _in_order(places).items():
        taken.append((place, mentions[number].label))
        states[number] = "accepted" if place.verbatim else "repaired"

    taken.sort(key=lambda item: item[0].start)
    for number, mention in enumerate(mentions):
        if states[number] == "hallucinated" and places[number]:
            states[number] = _place_late(mention, places[number], taken)
    spans = tuple(Span(place.start, place.end, label) for place, label in taken)
    return Alignment(spans, tuple(states))


def _in_order(places: Sequence[Sequence[_Place]]) -> dict[int, _Place]:
    """The mentions that can be placed left to right without overlap, by number: those covering most text.

    Covering, not counting, so that of "West Ham" and "West" the longer one stays. `best` holds the chains
    worth continuing: each covers more than every chain that ends before it.
    """
    best: list[_Chain] = []
    for number, options in enumerate(places):
        longer = []
        for place in options:
            index = bisect_right(best, place.start, key=lambda chain: chain.place.end)
            before = best[index - 1] if index else None
            covered = place.end - place.start + (before.covered if before else 0)
            longer.append(_Chain(number, place, covered, before))
        # entered only now, so that no chain takes the same mention twice
        for chain in longer:
            index = bisect_right(best, chain.place.end, key=lambda chain: chain.place.end)
            if index and best[index - 1].covered >= chain.covered:
                continue
            low = index - 1 if index and best[index - 1].place.end == chain.place.end else index
            high = index
            while high < len(best) and best[high].covered <= chain.covered:
                high += 1
            best[low:high] = [chain]
    chosen: dict[int, _Place] = {}
    last = best[-1] if best else None
    while last:
        chosen[last.number] = last.place
        last = last.before
    return chosen


def _place_late(mention: Mention, options: Sequence[_Place], taken: list[tuple[_Place, str]]) -> MentionState:
    """Place a mention that did not fit in order where there is still room; say what stood in its way if none."""
    same = False
    for place in options:
        low = bisect_left(taken, place.start, key=lambda item: item[0].start)
        high = bisect_left(taken, place.end, key=lambda item: item[0].start)
        if low and taken[low - 1][0].end > place.start:
            low -= 1
        if low == high:
            taken.insert(low, (place, mention.label))
            return "repaired"
        same = same or any(
            (other.start, other.end, label) == (place.start, place.end, mention.label)
            for other, label in taken[low:high]
        )
    return "duplicate" if same else "overlap"


class _Finder:
    """Where a string stands in a document as whole tokens."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._tokens = document.tokens
        self._starts = [start for start, _ in document.tokens]
        self._ends = [end for _, end in document.tokens]
        self._start_set = set(self._starts)
        self._end_set = set(self._ends)
        self._folded: Folded | None = None

    def places(self, mention: str) -> list[_Place]:
        """Verbatim places on token borders; if there are none, folded or widened ones. In text order."""
        verbatim = [
            _Place(start, start + len(mention), True)
            for start in _occurrences(self._text, mention)
            if start in self._start_set and start + len(mention) in self._end_set
        ]
        return verbatim or self._loose_places(mention)

    def _loose_places(self, mention: str) -> list[_Place]:
        text = self._folded = self._folded or fold(self._text)
        wanted = fold(mention).text
        places: list[_Place] = []
        for start in _occurrences(text.text, wanted):
            place = self._widen(text.starts[start], text.ends[start + len(wanted) - 1])
            if place and place not in places[-1:]:
                places.append(place)
        return places

    def _widen(self, start: int, end: int) -> _Place | None:
        """The whole tokens around a range; None where the range begins or ends inside a word.

        "Germany" in the token "Germany's" is widened; "US" in "RUSSIA" is not that mention.
        """
        text = self._text
        if start > 0 and text[start - 1].isalnum() and text[start].isalnum():
            return None
        if end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
            return None
        first = bisect_left(self._ends, start + 1)
        last = bisect_left(self._starts, end) - 1
        if first >= len(self._tokens) or last < first:
            return None
        return _Place(self._starts[first], self._ends[last], False)


def _occurrences(text: str, wanted: str) -> list[int]:
    """Every start of `wanted` in `text`, overlapping ones too; none for an empty string."""
    found = []
    start = text.find(wanted) if wanted else -1
    while start >= 0:
        found.append(start)
        start = text.find(wanted, start + 1)
    return found
