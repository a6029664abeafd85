"""Planted errors are errors, of the kind and in the place that they say."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.audit.planting import plant_errors, plant_repeated
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words

LABELS = ["PER", "LOC", "ORG"]


def sentence(number: int) -> Document:
    words = ["Ann", "Lee", "saw", "Bonn", "Today", "again"]
    return from_words(f"s{number}", words, (Span(0, 7, "PER"), Span(12, 16, "LOC")))


@given(count=st.integers(0, 20), seed=st.integers(0, 1000))
def test_each_kind_does_what_it_says_and_nothing_else(count: int, seed: int) -> None:
    documents = [sentence(number) for number in range(20)]
    damaged, planted = plant_errors(documents, count, LABELS, seed)
    assert len(planted) == count == len({each.id for each in planted})
    found = {each.id: each for each in planted}
    for before, after in zip(documents, damaged, strict=True):
        assert (after.id, after.text, after.tokens) == (before.id, before.text, before.tokens)
        if before.id not in found:
            assert after == before
            continue
        each = found[before.id]
        gone, new = set(before.spans) - set(after.spans), set(after.spans) - set(before.spans)
        assert all(each.start <= span.start and span.end <= each.end for span in gone | new)
        if each.kind == "type":
            ((old,), (other,)) = gone, new
            assert (old.start, old.end) == (other.start, other.end)
            assert old.label != other.label
        elif each.kind == "boundary":
            ((old,), (other,)) = gone, new
            assert old.label == other.label
            assert (old.start == other.start) != (old.end == other.end)
        elif each.kind == "dropped":
            assert (len(gone), len(new)) == (1, 0)
        else:
            assert (len(gone), len(new)) == (0, 1)
            assert all(before.text[span.start : span.end] == "Today" for span in new)
    counts = Counter(each.kind for each in planted)
    assert max(counts.values(), default=0) - min((counts[kind] for kind in _KINDS), default=0) <= 1


_KINDS = ("type", "boundary", "dropped", "invented")


def test_a_repeated_error_is_the_same_wherever_the_name_stands() -> None:
    documents = [sentence(number) for number in range(6)]
    damaged, planted = plant_repeated(documents, 6, LABELS, 3)
    assert [each.kind for each in planted] == ["type"] * 6
    ((start, end),) = {(each.start, each.end) for each in planted}
    for before, after in zip(documents, damaged, strict=True):
        assert {(s.start, s.end) for s in set(before.spans) - set(after.spans)} == {(start, end)}
    assert len({after.spans for after in damaged}) == 1
    _, planted = plant_repeated(documents, 7, LABELS, 3)
    assert len(planted) == 12
    with pytest.raises(InputError, match="only 12 of 13"):
        plant_repeated(documents, 13, LABELS, 3)
    with pytest.raises(InputError, match="only 0 of 1"):
        plant_repeated(documents[:2], 1, LABELS, 3)


def test_the_seed_decides() -> None:
    documents = [sentence(number) for number in range(20)]
    assert plant_errors(documents, 8, LABELS, 1) == plant_errors(documents, 8, LABELS, 1)
    assert plant_errors(documents, 8, LABELS, 1) != plant_errors(documents, 8, LABELS, 2)


def test_where_there_is_no_room_it_says_so() -> None:
    empty = [from_words("a", ["12", "34"]), from_words("b", [])]
    with pytest.raises(InputError, match="only 0 of 1 errors could be planted"):
        plant_errors(empty, 1, LABELS, 0)
    # a mention that fills its sentence cannot grow, and of one word cannot shrink
    full = [from_words(f"s{number}", ["Ann"], (Span(0, 3, "PER"),)) for number in range(8)]
    _, planted = plant_errors(full, 8, LABELS, 0)
    assert Counter(each.kind for each in planted) == {"type": 4, "dropped": 4}
    with pytest.raises(InputError, match="two labels"):
        plant_errors(full, 1, ["PER"], 0)
