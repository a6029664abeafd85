"""A document refuses offsets that mean nothing."""

import pytest

from nerkd_local.records import Document, Span, from_words


def test_words_joined_by_single_spaces_have_the_offsets_of_the_words() -> None:
    document = from_words("d", ["Ann", "saw", "Bonn"], (Span(8, 12, "LOC"),))
    assert document.text == "Ann saw Bonn"
    assert document.tokens == ((0, 3), (4, 7), (8, 12))
    assert document.words == ["Ann", "saw", "Bonn"]


@pytest.mark.parametrize(
    ("tokens", "spans", "problem"),
    [
        (((0, 3), (2, 4)), (), "out of order"),
        (((0, 0),), (), "empty"),
        (((0, 9),), (), "outside the text"),
        (((0, 3), (4, 8)), (Span(0, 9, "X"),), "ends after the text"),
        (((0, 3), (4, 8)), (Span(0, 2, "X"),), "token borders"),
        (((0, 3), (4, 8)), (Span(4, 8, "X"), Span(0, 3, "X")), "out of order"),
        (((0, 3), (4, 8)), (Span(3, 3, "X"),), "empty"),
    ],
)
def test_bad_offsets_are_refused(tokens: tuple[tuple[int, int], ...], spans: tuple[Span, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Document("d", "Ann Bonn", tokens, spans)
