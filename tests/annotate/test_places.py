"""Where strings stand: hand-made tables, the plain search, and each string looked for once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate import places as places_module
from nerkd_local.annotate.places import LOOKS, Place, Places
from nerkd_local.records import Document, from_words
from tests.annotate.plain_align import plain_places


@pytest.mark.parametrize(
    ("words", "mention", "places"),
    [
        ("Ajax v Ajax", "Ajax", [(0, 4, True), (7, 11, True)]),
        ("a a a", "a a", [(0, 3, True), (2, 5, True)]),  # places may overlap
        ("aa a", "a", [(3, 4, True)]),  # not inside a token
        ("Bonns Bonn", "Bonn", [(6, 10, True)]),
        ("BONN bonn", "Bonn", [(0, 4, False), (5, 9, False)]),
        ("Bonn-based Bonn's", "bonn", [(0, 10, False), (11, 17, False)]),
        ("bonn-bonn", "Bonn", [(0, 9, False)]),  # one place, though it stands there twice
        ("x", "", []),
        ("x", " ", []),
        ("x", "\u200b", []),  # folds to nothing
    ],
)
def test_places_are_as_derived_by_hand(words: str, mention: str, places: list[tuple[int, int, bool]]) -> None:
    found = Places(from_words("d", words.split(" "))).of(mention)
    assert found == [Place(*place) for place in places]


words = st.sampled_from(["a", "aa", "A", "a-a", "é", "e\u0301", "b", "ab"])


@given(st.lists(words, min_size=1, max_size=9), st.lists(words, min_size=1, max_size=3).map(" ".join), st.booleans())
def test_places_are_those_of_the_plain_search(words: list[str], mention: str, characters: bool) -> None:
    document = from_words("d", words)
    if characters:  # each a token of its own, with and without white space between
        text = document.text
        document = Document("d", text, tuple((i, i + 1) for i in range(len(text)) if not text[i].isspace()))
    found = Places(document).of(mention)
    assert found is not None
    assert [(place.start, place.end) for place in found] == plain_places(document, mention)


def test_a_string_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # "Ann", found once, and that there is no other: two looks
    monkeypatch.setattr(places_module, "LOOKS", 4)
    finder = Places(from_words("d", ["Ann", "x", "x"]))
    for _ in range(100):
        assert finder.of("Ann") == [Place(0, 3, True)]
    assert finder.of("x") is None  # takes the other two, so that none is left
    assert finder.of("Ann") == [Place(0, 3, True)]


def test_an_honest_document_is_far_from_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"Name{number} Person" for number in range(2_000)]
    document = from_words("d", " ".join(f"{name} said what others had said before of it ." for name in names).split())
    assert len(document.text) > 100_000
    monkeypatch.setattr(places_module, "LOOKS", LOOKS // 2)
    finder = Places(document)
    assert all(finder.of(name) for name in names)
