from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.ranges import read_numbers, shorten
from nerkd_local.errors import InputError


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([1, 2], "1-2"), ([3, 7, 8, 9, 10, 11, 12], "3 7-12"), ([5, 1, 3, 5], "1 3 5")],
)
def test_neighbours_become_ranges(numbers: list[int], text: str) -> None:
    assert shorten(numbers) == text


@given(st.sets(st.integers(1, 300), min_size=1), st.booleans())
def test_a_list_is_read_as_it_was_printed(numbers: set[int], total: bool) -> None:
    assert read_numbers(shorten(numbers) + " of 300" * total, 300) == sorted(numbers)


@pytest.mark.parametrize("text", ["3, 7-12", " 3  7-12 ", "3;7-12", "7-12\n3", "3 7-9 8-12 of 240", "3 7-12of240"])
def test_what_a_hand_makes_of_it_is_read_too(text: str) -> None:
    assert read_numbers(text, 240) == [3, 7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("three", "cannot be read"),
        ("3-", "cannot be read"),
        ("-3", "cannot be read"),
        ("3--4", "cannot be read"),
        ("1_0", "cannot be read"),
        ("0", "outside 1 to 240"),
        ("241", "outside 1 to 240"),
        ("12-7", "backwards"),
        ("1-99999999999", "cannot be read"),
        ("3 of 241", "of another"),
        ("3 of", "of another"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_numbers(text, 240)
