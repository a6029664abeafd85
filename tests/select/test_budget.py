"""The best of a budget, against hand-made choices and a plain greedy search."""

from __future__ import annotations

import heapq
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.records import Document, Span, from_words
from nerkd_local.select.budget import choose_budget
from nerkd_local.select.confidences import Confidences
from nerkd_local.select.run import select_documents
from nerkd_local.select.settings import TopBudgetSettings


def naming(*entities: tuple[str, str, float], id: str = "a", status: str = "annotated") -> Document:
    """A sentence of nothing but mentions of a word each."""
    spans, start = [], 0
    for word, label, _ in entities:
        spans.append(Span(start, start + len(word), label))
        start += len(word) + 1
    meta = {"confidences": [sure for _, _, sure in entities], "status": status}
    return from_words(id, [word for word, _, _ in entities], tuple(spans), meta)


def chosen(documents: list[Document], **settings: float) -> list[int]:
    return sorted(choose_budget(documents, TopBudgetSettings.model_validate(settings), OWN))


OWN = Confidences("annotator", None, None)
ANN, BONN, ROME = ("Ann", "PER", 0.9), ("Bonn", "LOC", 0.8), ("Rome", "LOC", 0.69)


def test_without_diversity_the_surest_are_taken() -> None:
    documents = [naming(ANN), naming(ANN), naming(BONN), naming(ROME)]
    assert chosen(documents, sentences=2, diversity=0) == [0, 1]
    assert chosen(documents, sentences=3, diversity=0) == [0, 1, 2]


def test_with_diversity_a_name_that_is_there_already_adds_less() -> None:
    documents = [naming(ANN), naming(ANN), naming(BONN), naming(ROME)]
    # the second Ann is worth 0.8 / 2, Bonn 0.6 and Rome 0.38; both types are as rare
    assert chosen(documents, sentences=2, diversity=1) == [0, 2]
    assert chosen(documents, sentences=3, diversity=1) == [0, 1, 2]


def test_a_rare_type_goes_before_a_common_one() -> None:
    documents = [naming(("Bonn", "LOC", 0.9)), naming(("Rome", "LOC", 0.9)), naming(("Oslo", "LOC", 0.9))]
    documents += [naming(("Kiel", "LOC", 0.9)), naming(("Brexit", "MISC", 0.8))]
    assert chosen(documents, sentences=1, diversity=1) == [4]  # 0.6 against 0.8 * (1 / 4) ** 0.5
    assert chosen(documents, sentences=1, diversity=0) == [0]


def test_expected_errors_count_against_a_sentence() -> None:
    three, doubtful = [ANN, BONN, ROME], [ANN, BONN, ("Rome", "LOC", 0.1)]
    assert chosen([naming(*doubtful), naming(ANN), naming(*three)], sentences=1) == [2]
    assert chosen([naming(*doubtful), naming(ANN)], sentences=1, diversity=0) == [1]  # 0.8 + 0.6 - 0.8


def test_sentences_without_entities_keep_their_share() -> None:
    documents = [naming(ANN), from_words("x", ["it", "rained"]), naming(BONN), from_words("y", ["no"]), naming(ROME)]
    documents += [naming(ANN, status="looped")]
    assert chosen(documents, sentences=5) == [0, 1, 2, 3, 4]
    assert chosen(documents, share=1.0) == [0, 1, 2, 3, 4]
    both = chosen(documents, sentences=3)
    assert len(both) == 3
    assert len({1, 3} & set(both)) == 1  # 3 * 2 / 5


def test_places_are_those_among_sentences_with_an_answer() -> None:
    documents = [naming(ROME, id="a", status="malformed"), naming(ROME, id="b"), naming(ANN, id="c")]
    selected, ledger = select_documents(documents, TopBudgetSettings(sentences=1))
    assert [document.id for document in selected] == ["c"]
    assert [(row["reason"], row["count"]) for row in ledger.to_json()["sentences_why"]] == [
        ("chosen", 1),
        ("over_budget", 1),
        ("unusable", 1),
    ]


@pytest.mark.parametrize("kind", ["words", "one name"])
def test_sentences_that_are_alike_are_not_looked_at_again_and_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 300
    if kind == "words":
        documents = [from_words(f"d{number}", ["Quarterly", "report"]) for number in range(count)]
        best = list(range(count // 2))
    else:
        documents = [naming(("Ann", "PER", 0.5 + number / 1000), id=f"d{number}") for number in range(count)]
        best = list(range(count // 2, count))
    looks = 0
    replace = heapq.heapreplace

    def counting(heap: list[Any], item: Any) -> Any:
        nonlocal looks
        looks += 1
        return replace(heap, item)

    monkeypatch.setattr(heapq, "heapreplace", counting)
    assert chosen(documents, share=0.5) == best
    assert looks < 2 * count


def test_a_stream_cannot_be_gone_through_twice() -> None:
    with pytest.raises(TypeError, match="twice"):
        select_documents(iter([naming(ANN)]), TopBudgetSettings(sentences=1))


FORMS = st.sampled_from(["a", "b", "c", "d"])
ENTITIES = st.lists(st.tuples(FORMS, st.sampled_from(["PER", "LOC", "MISC"]), st.floats(0, 1)), min_size=1, max_size=3)


@given(st.lists(ENTITIES, min_size=1, max_size=12), st.floats(0, 1), st.integers(1, 12))
def test_it_chooses_what_a_search_through_all_would(
    sentences: list[list[tuple[str, str, float]]], diversity: float, count: int
) -> None:
    counts: dict[str, int] = {}
    for entities in sentences:
        for _, label, _ in entities:
            counts[label] = counts.get(label, 0) + 1
    taken: list[tuple[str, str]] = []
    best: list[int] = []

    def worth(place: int) -> float:
        total = 0.0
        for form, label, sure in sentences[place]:
            gain, rarity = 2 * sure - 1, (min(counts.values()) / counts[label]) ** 0.5
            novelty = diversity * rarity / (1 + taken.count((form, label)))
            total += gain * ((1 - diversity) + novelty) if gain > 0 else gain
        return total

    while len(best) < min(count, len(sentences)):
        left = [place for place in range(len(sentences)) if place not in best]
        best.append(max(left, key=worth))
        taken += [(form, label) for form, label, _ in sentences[best[-1]]]
    documents = [naming(*entities) for entities in sentences]
    assert chosen(documents, sentences=count, diversity=diversity) == sorted(best)
