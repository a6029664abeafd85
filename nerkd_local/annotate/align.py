"""From mentions as written to places in the text, with an account of every one of them.

An annotator is asked for every occurrence in text order, so mentions and text are matched as two ordered
sequences: mentions are placed left to right without overlap so that they cover as much of the text as they can
(dynamic programming), and what that leaves over is tried out of order. Nothing is dropped without a state.

The work is bounded whatever a model writes, since it may write "a" ten thousand times about a text that holds
thousands. The bounds lie far above what an honest answer takes, and below them the result is exact.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal, NamedTuple, get_args

from nerkd_local.annotate.formats import Mention
from nerkd_local.annotate.places import Place, Places
from nerkd_local.corpus.nesting import Nested, flatten
from nerkd_local.records import Document, Span

ALIGNMENT_VERSION = 1
"""Raised when the same stored answers would be read differently."""

MentionState = Literal[
    "accepted", "repaired", "duplicate", "overlap", "crossing", "hallucinated", "bad_type", "truncated", "malformed"
]
"""What became of one mention. Exactly one each:

accepted      stands verbatim in the text, in order, on token borders
repaired      placed after folding (case, width, quotes, white space), widening to whole tokens, or out of order
duplicate     no place left, and one it could have is taken by the same label already
overlap       no place left: each one overlaps another mention
crossing      reaches over the end of a sentence, where several were asked about together (see `windows`)
hallucinated  nowhere in the text as a whole word
bad_type      a label that was not asked for
truncated     in an answer that was cut off: no label of such an answer is used
malformed     a piece of the answer that is no mention at all, or behind more of them than are looked for
"""

MENTION_STATES: tuple[MentionState, ...] = get_args(MentionState)


@dataclass(frozen=True, slots=True)
class Alignment:
    """`states[i]` is what became of mention i; `spans` are the accepted and repaired ones, in text order."""

    spans: tuple[Span, ...]
    states: tuple[MentionState, ...]
    origins: tuple[int, ...] = field(default=(), compare=False)
    """Which mention each of the spans is."""
    nested: int = field(default=0, compare=False)
    """How many of those that overlap stand inside another mention, or around one."""


PAIRS_IN_ORDER = 50_000
"""So many pairs of a mention and a place it could have are weighed against each other; a mention that would exceed
that is placed out of order. A document of 3,000 words that names each of 60 people ten times has 6,000."""


class _Chain(NamedTuple):
    """Mention `number` at `place`, after the chain `before`; together they cover so many characters."""

    number: int
    place: Place
    covered: int
    before: _Chain | None


def align(
    document: Document, mentions: Sequence[Mention], labels: Collection[str], nested: Nested = "outermost"
) -> Alignment:
    """Place the mentions, given in the order written, in the document's text.

    Spans lie on token borders and do not overlap. Ties are broken towards the start of the text. Time is linear in
    the mentions and the text up to a fixed bound on searching and one on weighing (`PAIRS_IN_ORDER`).

    Of mentions that are written one inside another, `nested` says which is placed; the others have the state `overlap`.
    Mentions that all have places of their own are not nested, whatever else they could be.
    """
    found = _flat(document, mentions, labels)
    if nested == "innermost" and (outer := _outer_ones(document, mentions, found)):
        return _without(outer, document, mentions, labels)
    return found


def _flat(document: Document, mentions: Sequence[Mention], labels: Collection[str]) -> Alignment:
    """The alignment in which of nested mentions the outermost is placed."""
    spans = _all_in_order(document, mentions, labels)
    if spans is not None:
        accepted: MentionState = "accepted"
        return Alignment(spans, (accepted,) * len(mentions), tuple(range(len(mentions))))
    finder = Places(document)
    found = [finder.of(mention.text) if mention.label in labels else () for mention in mentions]
    states = [_unplaced(mention, places, labels) for mention, places in zip(mentions, found, strict=True)]
    taken = _Taken()
    for number, place in _in_order(found).items():
        taken.add(place, mentions[number].label, number)
        states[number] = "accepted" if place.verbatim else "repaired"
    for number, mention in enumerate(mentions):
        if states[number] == "overlap":
            states[number] = taken.place_late(mention, found[number] or (), number)
    return Alignment(taken.spans(), tuple(states), taken.origins(), taken.nested)


def _all_in_order(document: Document, mentions: Sequence[Mention], labels: Collection[str]) -> tuple[Span, ...] | None:
    """Each mention at its first verbatim place behind the one before it, if all have one: most answers are so.

    What the whole search gives, too: nothing covers more than all mentions do, and of the chains that cover the same
    it keeps the one that ends first. None where a mention has no such place, or another place must be looked for.
    """
    text, tokens = document.text, document.tokens
    spans = []
    position = 0
    for mention in mentions:
        wanted, label = mention.text, mention.label
        start = text.find(wanted, position) if wanted and label in labels else -1
        if start < 0:
            return None
        position = start + len(wanted)
        first = bisect_left(tokens, (start,))
        last = bisect_left(tokens, (position,), first) - 1
        if last < first or tokens[first][0] != start or tokens[last][1] != position:
            return None
        spans.append(Span(start, position, label))
    return tuple(spans)


def _outer_ones(document: Document, mentions: Sequence[Mention], found: Alignment) -> set[int]:
    """The mentions around others: a mention that found no place is taken to stand inside one that did, if it can.

    Where there are several such places, in the first that does not begin before the mention before it: a model writes
    them so that goes through the text. Else in the first of all.
    """
    placed = dict(zip(found.origins, found.spans, strict=True))
    finder = Places(document)
    inside: dict[str, list[Place]] = {}
    spans: list[Span] = []
    position = 0
    for number, mention in enumerate(mentions):
        if number in placed:
            start, end = placed[number].start, placed[number].end
        elif found.states[number] in ("overlap", "duplicate"):
            if mention.text not in inside:
                places = finder.of(mention.text) or ()
                inside[mention.text] = [place for place in places if _is_inside(place, found.spans)]
            nested = inside[mention.text]
            if not nested:
                continue
            index = bisect_left(nested, position, key=attrgetter("start"))
            start, end, _ = nested[index if index < len(nested) else 0]
        else:
            continue
        position = start
        spans.append(Span(start, end, str(number)))  # whose label does not matter here
    inner = flatten(spans, "innermost")
    outer = set()
    for span in spans:
        index = bisect_left(inner, span.start, key=attrgetter("start"))
        within = inner[index : index + 1]
        if within and within[0].end <= span.end and (within[0].start, within[0].end) != (span.start, span.end):
            outer.add(int(span.label))
    return outer


def _is_inside(place: Place, spans: Sequence[Span]) -> bool:
    """Whether a place is a part of one of the spans, which do not overlap, and not the whole of it."""
    index = bisect_right(spans, place.start, key=attrgetter("start")) - 1
    if index < 0:
        return False
    span = spans[index]
    return place.end <= span.end and (place.start, place.end) != (span.start, span.end)


def _without(outer: set[int], document: Document, mentions: Sequence[Mention], labels: Collection[str]) -> Alignment:
    """The alignment of the others, with those of `outer` as overlapping."""
    kept = [number for number in range(len(mentions)) if number not in outer]
    found = _flat(document, [mentions[number] for number in kept], labels)
    states: list[MentionState] = ["overlap"] * len(mentions)
    for number, state in zip(kept, found.states, strict=True):
        states[number] = state
    origins = tuple(kept[number] for number in found.origins)
    return Alignment(found.spans, tuple(states), origins, found.nested + len(outer))


def _unplaced(mention: Mention, places: Sequence[Place] | None, labels: Collection[str]) -> MentionState:
    """The state of a mention as long as it has no place; `overlap` where it could have one."""
    if mention.label not in labels:
        return "bad_type"
    if places is None:
        return "malformed"
    return "overlap" if places else "hallucinated"


def _in_order(found: Sequence[Sequence[Place] | None]) -> dict[int, Place]:
    """The mentions that can be placed left to right without overlap, by number: those covering most text.

    Covering, not counting, so that of "West Ham" and "West" the longer one stays. `best` holds the chains
    worth continuing, by their `ends`: each covers more than every chain that ends before it.
    """
    best: list[_Chain] = []
    ends: list[int] = []
    pairs = 0
    for number, places in enumerate(found):
        if not places or pairs + len(places) > PAIRS_IN_ORDER:
            continue
        pairs += len(places)
        longer = []
        for place in places:
            index = bisect_right(ends, place.start)
            before = best[index - 1] if index else None
            covered = place.end - place.start + (before.covered if before else 0)
            longer.append(_Chain(number, place, covered, before))
        # entered only now, so that no chain takes the same mention twice
        for chain in longer:
            end = chain.place.end
            index = bisect_right(ends, end)
            if index and best[index - 1].covered >= chain.covered:
                continue
            low = index - 1 if index and ends[index - 1] == end else index
            high = index
            while high < len(best) and best[high].covered <= chain.covered:
                high += 1
            best[low:high] = [chain]
            ends[low:high] = [end]
    chosen: dict[int, Place] = {}
    last = best[-1] if best else None
    while last:
        chosen[last.number] = last.place
        last = last.before
    return chosen


@dataclass(slots=True)
class _Tried:
    """The places of one string: those before `next` are taken or overlapped, some of them by a span of these labels."""

    next: int = 0
    labels: set[str] = field(default_factory=set)
    nested: bool = False
    """Whether one of the places is inside a span that is taken, or around one."""


class _Taken:
    """The places that are taken, and what is known of those that are not. None is ever given back."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._spans: dict[int, Span] = {}
        self._origins: dict[int, int] = {}
        self._tried: dict[str, _Tried] = {}
        self.nested = 0
        """How many mentions without a place are nested."""

    def add(self, place: Place, label: str, number: int) -> None:
        """Take a place that overlaps none for mention `number`."""
        self._starts.insert(bisect_left(self._starts, place.start), place.start)
        self._origins[place.start] = number
        self._spans[place.start] = Span(place.start, place.end, label)

    def spans(self) -> tuple[Span, ...]:
        """What is taken, in text order."""
        return tuple(self._spans[start] for start in self._starts)

    def origins(self) -> tuple[int, ...]:
        """Which mentions these are, in the same order."""
        return tuple(self._origins[start] for start in self._starts)

    def place_late(self, mention: Mention, places: Sequence[Place], number: int) -> MentionState:
        """Place a mention that did not fit in order where there is still room; say what stood in its way if none.

        A place without room stays so: each is tried once for all mentions that are written alike.
        """
        tried = self._tried.setdefault(mention.text, _Tried())
        while tried.next < len(places):
            place = places[tried.next]
            tried.next += 1
            other = self._overlapping(place)
            if other is None:
                self.add(place, mention.label, number)
                tried.labels.add(mention.label)
                return "repaired"
            if (other.start, other.end) == (place.start, place.end):
                tried.labels.add(other.label)
            elif (other.start <= place.start and place.end <= other.end) or (
                place.start <= other.start and other.end <= place.end
            ):
                tried.nested = True
        if mention.label in tried.labels:
            return "duplicate"
        self.nested += tried.nested
        return "overlap"

    def _overlapping(self, place: Place) -> Span | None:
        index = bisect_left(self._starts, place.end)
        before = self._spans[self._starts[index - 1]] if index else None
        return before if before and before.end > place.start else None
