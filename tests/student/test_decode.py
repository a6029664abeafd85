from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.student.decode import labels_of, tag_names, word_tags


def test_classes_are_o_then_begin_and_inside_of_each_label_in_order() -> None:
    assert tag_names(["PER", "LOC", "PER"]) == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@given(st.sets(st.text("ABC-x", min_size=1)))
def test_labels_come_back_from_their_tags(labels: set[str]) -> None:
    assert labels_of(tag_names(labels)) == tuple(sorted(labels))


def test_tags_are_the_raw_choice_and_o_where_there_is_none() -> None:
    assert word_tags([2, None, 0], ["O", "B-X", "I-X"]) == ["I-X", "O", "O"]
