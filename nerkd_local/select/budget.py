"""The best so many sentences: sure of their labels, and each adding something to the others.

The rule. A sentence without entities teaches what is none, so such sentences keep their share of the budget (rounded);
within each kind the best are taken one after the other. A sentence with entities is worth what it may be expected to
teach, right minus wrong. With an entity's confidence c, that is the sum over its entities of

    (2c - 1) * ((1 - diversity) + diversity * rarity / (1 + taken))    where c is at least a half
    2c - 1                                                             elsewhere

`taken` is how often that form, with its type, is chosen already; a type's rarity is the square root of the rarest
type's count over its own: 1 for the rarest. (A sum, as the budget is of sentences: the mean would take headlines.) One
without entities is worth its confidence (see `Confidences.sentence`) times the mean of the second factor over its
words, of rarity 1. Of equals the earlier one is taken.

Worth only falls while others are chosen, so a heap of out-of-date values finds the next best without looking at all of
them (lazy greedy: Minoux, 1978). Sentences that differ in nothing but how sure they are (the same one name, the same
words) are worth less together with each that is chosen, and the surest is always the best of them: they take turns in
one place of the heap. Nearly linear time. Memory: a few hundred bytes a sentence, 20 an entity, 16 a word of a sentence
without entities.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.fingerprints import text_key
from nerkd_local.records import Document
from nerkd_local.select.confidences import Confidences
from nerkd_local.select.settings import TopBudgetSettings


@dataclass(frozen=True, slots=True)
class _Candidate:
    place: int
    forms: array[int]
    """Hashed: of its entities with their types, or of its words."""
    gains: array[float]
    """What each is worth while nothing like it is chosen."""
    types: array[int]
    """The number of each entity's type; empty for a sentence without entities."""


def choose_budget(
    documents: Iterable[Document], settings: TopBudgetSettings, confidences: Confidences
) -> frozenset[int]:
    """The chosen sentences, by their places (from 0) among those with a usable answer; all where the budget suffices.

    Raises InputError for a sentence without confidences.
    """
    types: dict[str, int] = {}
    with_entities: list[_Candidate] = []
    without: list[_Candidate] = []
    for place, document in enumerate(filter(is_usable, documents)):
        if document.spans:
            with_entities.append(_with_entities(place, document, types, confidences))
        else:
            without.append(_without(place, document, confidences))
    total = len(with_entities) + len(without)
    budget = total if settings.sentences is None else min(settings.sentences, total)
    if settings.share is not None:
        budget = round(settings.share * total)
    for_none = round(budget * len(without) / max(total, 1))
    counts = Counter(number for candidate in with_entities for number in candidate.types)
    rarity = [(min(counts.values()) / counts[number]) ** 0.5 for number in range(len(types))]
    chosen = _best(with_entities, budget - for_none, rarity, settings.diversity)
    return frozenset((*chosen, *_best(without, for_none, (), settings.diversity)))


def _with_entities(place: int, document: Document, types: dict[str, int], confidences: Confidences) -> _Candidate:
    forms = (f"{span.label}\t{document.text[span.start : span.end].casefold()}" for span in document.spans)
    gains = (2 * confidence - 1 for confidence in confidences.entities(document))
    numbers = [types.setdefault(span.label, len(types)) for span in document.spans]
    return _Candidate(place, array("q", map(text_key, forms)), array("d", gains), array("i", numbers))


def _without(place: int, document: Document, confidences: Confidences) -> _Candidate:
    words = [text_key(word.casefold()) for word in document.words]
    each = confidences.sentence(document, "mean") / max(len(words), 1)
    return _Candidate(place, array("q", words), array("d", [each] * len(words)), array("i"))


def _best(candidates: Sequence[_Candidate], count: int, rarity: Sequence[float], diversity: float) -> list[int]:
    taken: Counter[int] = Counter()

    def worth(candidate: _Candidate) -> float:
        rarities = [rarity[number] for number in candidate.types] or [1.0] * len(candidate.forms)
        return sum(
            gain * ((1 - diversity) + diversity * rare / (1 + taken[form])) if gain > 0 else gain
            for form, gain, rare in zip(candidate.forms, candidate.gains, rarities, strict=True)
        )

    queues = _alike(candidates)

    def entry(number: int) -> tuple[float, int, int]:
        return -worth(queues[number][-1]), queues[number][-1].place, number

    heap = [entry(number) for number in range(len(queues))]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < count:
        number = heap[0][2]
        now = entry(number)
        if len(heap) > 1 and min(heap[1:3]) < now:
            heapq.heapreplace(heap, now)  # others are worth more by now, or may be
            continue
        best = queues[number].pop()
        chosen.append(best.place)
        taken.update(best.forms)
        if queues[number]:
            heapq.heapreplace(heap, entry(number))
        else:
            heapq.heappop(heap)
    return chosen


def _alike(candidates: Sequence[_Candidate]) -> list[list[_Candidate]]:
    """The candidates by what they are of, each list from the worst to the best whatever is taken; of equals the earlier
    one is the better. Where the parts of one differ in what they are worth, only its equals go with it."""
    queues: defaultdict[tuple[bytes, bytes], list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        gains = candidate.gains
        uneven = any(gain != gains[0] for gain in gains)
        queues[candidate.forms.tobytes(), gains.tobytes() if uneven else b""].append(candidate)
    for queue in queues.values():
        queue.sort(key=lambda candidate: (sum(candidate.gains), -candidate.place))
    return list(queues.values())
