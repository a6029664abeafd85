"""Folding keeps the way back to the original text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.normalise import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Bonn", "bonn"),
        ("  New \t York\n", "new york"),
        ("“O’Neil”", '"o\'neil"'),
        ("\ufb01nd", "find"),
        ("İ", "i\u0307"),
        ("Zu\u0308rich", "zürich"),
        ("a\u200bb", "ab"),
        ("\uff21\uff22", "ab"),
        ("", ""),
        (" ", ""),
    ],
)
def test_folds_as_written_by_hand(text: str, folded: str) -> None:
    assert fold(text).text == folded


@given(st.text(max_size=40))
def test_each_folded_character_maps_into_the_text_in_order(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(folded.starts, folded.ends, strict=True))
    assert list(folded.starts) == sorted(folded.starts)
    assert list(folded.ends) == sorted(folded.ends)


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing_more_than_once(text: str) -> None:
    once = fold(text).text
    assert fold(once).text == once


def test_a_run_of_combining_marks_is_taken_in_pieces() -> None:
    # put into order as one, in descending order of their classes, half a million would take many minutes
    folded = fold("e" + "\u0315\u0300" * 250_000 + " x")
    assert len(folded.text) == 500_000 + 2  # the first piece composes e and U+0300
    assert folded.text.startswith("\u00e8")
    assert (folded.text[-1], folded.starts[-1], folded.ends[-1]) == ("x", 500_002, 500_003)
    assert (folded.starts[0], folded.ends[0]) == (0, 31)
