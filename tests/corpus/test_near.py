"""Near copies: what is one, and that the index finds what comparing all with all finds."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.near import Match, NearIndex, shingles
from nerkd_local.records import Document


def document(id: str, text: str) -> Document:
    return Document(id, text, ())


def documents(texts: list[str]) -> list[Document]:
    return [document(f"d{number}", text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abcde", {"abcd", "bcde"}),
        ("A b\tC\nDe", {"abcd", "bcde"}),
        ("abc", {"abc"}),
        ("", {""}),
        ("aaaaaa", {"aaaa"}),
        ("\ufb01nd it", {"find", "indi", "ndit"}),  # the ligature fi
        ("STRASSE", {"stra", "tras", "rass", "asse"}),
        ("Straße", {"stra", "tras", "rass", "asse"}),
        ("\u5317\u4eac\u5e02\u9577\u3002", {"\u5317\u4eac\u5e02\u9577", "\u4eac\u5e02\u9577\u3002"}),
    ],
)
def test_shingles_are_four_characters_without_case_and_white_space(text: str, expected: set[str]) -> None:
    assert shingles(text) == expected


def test_similarity_is_the_share_of_shingles_in_common() -> None:
    # abcdefgh has 5 shingles, abcdefgx 5, four of them the same: 4 / 6
    index = NearIndex(documents(["abcdefgh", "something else"]), similarity=0.6)
    assert index.find("ABCD efgx") == [Match("d0", 0, 4 / 6)]
    assert NearIndex(documents(["abcdefgh"]), similarity=0.7).find("abcdefgx") == []


def test_the_threshold_itself_is_near_enough() -> None:
    # of five shingles four: exactly .8
    index = NearIndex(documents(["abcdefgh"]), similarity=0.8)
    assert index.find("abcdefg") == [Match("d0", 0, 0.8)]


def test_the_most_similar_come_first_and_then_in_reading_order() -> None:
    index = NearIndex(documents(["abcdefghij", "abcdefghi", "ABCDEFGHI", "nothing of it"]), similarity=0.5)
    found = index.find("abcdefghi")
    assert [(match.id, match.place) for match in found] == [("d1", 1), ("d2", 2), ("d0", 0)]
    assert [match.similarity for match in found] == [1.0, 1.0, 6 / 7]


def test_sentences_of_other_scripts_and_tokenizations_are_found() -> None:
    index = NearIndex([document("a", "Ada Lovelace lived in London , England .")])
    assert [match.id for match in index.find("Ada Lovelace lived in London, England")] == ["a"]


def test_digits_count() -> None:
    index = NearIndex([document("a", "Harbour 1 Old Town 3")])
    assert index.find("Harbour 4 Old Town 2") == []


@pytest.mark.parametrize("similarity", [0, -0.5, 1.01])
def test_an_impossible_similarity_is_refused(similarity: float) -> None:
    with pytest.raises(ValueError, match="above 0, and at most 1"):
        NearIndex([], similarity)


def test_nothing_resembles_nothing() -> None:
    assert NearIndex([]).find("anything") == []


TEXTS = st.lists(st.text(alphabet="ab 1", max_size=14), max_size=12)


@given(TEXTS, TEXTS, st.sampled_from(["1/10", "1/3", "1/2", "11/20", "7/10", "4/5", "9/10", "1"]))
def test_the_index_finds_what_comparing_all_with_all_finds(indexed: list[str], asked: list[str], share: str) -> None:
    threshold = Fraction(share)
    index = NearIndex(documents(indexed), float(threshold))
    for text in asked:
        mine = shingles(text)
        similarities = {
            place: Fraction(len(mine & shingles(other)), len(mine | shingles(other)))
            for place, other in enumerate(indexed)
        }
        expected = {place: float(value) for place, value in similarities.items() if value >= threshold}
        assert {match.place: match.similarity for match in index.find(text)} == expected


def test_what_an_index_takes_while_it_is_made_is_little_more_than_what_it_keeps() -> None:
    random = Random(0)
    words = ["".join(random.choices("abcdefgh", k=6)) for _ in range(40)]
    sentences = documents([" ".join(random.choices(words, k=20)) for _ in range(400)])
    tracemalloc.start()
    try:
        NearIndex(sentences)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # strings and sets of them would take about 150 bytes for each of some 115 shingles a sentence
    assert peak < 400 * 115 * 60
