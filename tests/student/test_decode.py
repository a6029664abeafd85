from __future__ import annotations

from nerkd_local.student.decode import tag_names, word_tags


def test_classes_are_o_then_begin_and_inside_of_each_label_in_order() -> None:
    assert tag_names(["PER", "LOC", "PER"]) == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def test_tags_are_the_raw_choice() -> None:
    assert word_tags([2, 0, 0, 1], ["O", "B-X", "I-X"]) == ["I-X", "O", "O", "B-X"]
