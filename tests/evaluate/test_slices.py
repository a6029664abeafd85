"""Slices: what a mention belongs to by hand, and that the slices of one slicing are the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.evaluate.counts import sentence_counts, strict_entities
from nerkd_local.evaluate.metrics import score_tags
from nerkd_local.evaluate.slices import (
    LENGTHS,
    SEEN,
    SENTENCES,
    Slicing,
    by_confidence,
    by_length,
    by_sentence_length,
    by_surface,
    by_type,
    slice_counts,
    surface,
)
from nerkd_local.evaluate.spans import SpanTable, make_table

LABELS = ("PER", "ORG", "LOC")


def table(*sentences: list[tuple[int, int, str]]) -> SpanTable:
    return make_table(sentences)


def named(slicing: Slicing, mentions: SpanTable) -> list[str]:
    return [slicing.slices[place] for place in slicing.place(mentions)]


def test_by_length() -> None:
    mentions = table([(0, 1, "PER"), (1, 3, "PER"), (3, 6, "PER"), (6, 10, "PER"), (10, 20, "PER")])
    assert named(by_length(), mentions) == [*LENGTHS, LENGTHS[-1]]


@pytest.mark.parametrize(("words", "wanted"), [(1, 0), (5, 0), (6, 1), (15, 1), (16, 2), (30, 2), (31, 3), (500, 3)])
def test_by_sentence_length(words: int, wanted: int) -> None:
    assert named(by_sentence_length([3, words]), table([], [(0, 1, "PER")])) == [SENTENCES[wanted]]


def test_a_surface_form_is_looked_up_whole_and_in_any_case() -> None:
    words = [["ANN", "Lee", "saw", "Bonn"], ["Ann", "Lee", "Zo\u0065\u0308"]]
    seen = {surface(["Ann", "Lee"]), surface(["Bonn"])}
    slicing = by_surface(words, [seen] * 2, [{surface(["bonn"]), surface(["Zo\u00eb"])}] * 2)
    mentions = table([(0, 2, "PER"), (3, 4, "LOC")], [(0, 1, "PER"), (2, 3, "PER")])
    assert named(slicing, mentions) == [SEEN[1], SEEN[0], SEEN[3], SEEN[2]]


def test_surface_forms_are_those_of_the_sentence_s_own_students() -> None:
    slicing = by_surface([["Bonn"], ["Bonn"]], [{"bonn"}, set()], [set(), set()])
    assert named(slicing, table([(0, 1, "LOC")], [(0, 1, "LOC")])) == [SEEN[1], SEEN[3]]


def test_confidence_is_cut_into_parts_of_equal_size_by_the_student_itself() -> None:
    sure = [0.9, 0.1, 0.5, 0.7, 0.3]
    mentions = make_table([[(n, n + 1, "PER") for n in range(5)]], [sure])
    assert by_confidence().place(mentions).tolist() == [4, 0, 2, 3, 1]
    assert by_confidence(2).slices == ("least sure half", "surest half")
    assert by_confidence(5).slices[1] == "2. fifth"
    same = make_table([[(n, n + 1, "PER") for n in range(5)]], [[0.5] * 5])
    assert set(by_confidence().place(same).tolist()) == {0}
    assert by_confidence().place(table([])).tolist() == []


def test_confidences_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="without a confidence"):
        by_confidence().place(table([(0, 1, "PER")]))
    with pytest.raises(ValueError, match="1 bins"):
        by_confidence(1)


def test_a_wrong_type_is_missed_in_one_slice_and_spurious_in_the_other() -> None:
    counts = slice_counts(by_type(LABELS), table([(0, 1, "PER")]), table([(0, 1, "ORG")]))
    assert counts[:, 0].tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_other_borders_fall_into_slices_of_different_length() -> None:
    counts = slice_counts(by_length(), table([(0, 1, "PER")]), table([(0, 2, "PER")]))
    assert counts[:2, 0].tolist() == [[0, 0, 1], [0, 1, 0]]


def test_f1_of_a_slice_of_predictions_is_its_precision() -> None:
    gold = table([(0, 1, "PER"), (1, 2, "PER")])
    found = make_table([[(0, 1, "PER"), (1, 2, "ORG"), (3, 4, "PER")]], [[0.9, 0.8, 0.1]])
    counts = slice_counts(by_confidence(2), gold, found)
    # the median, 0.8, is in the lower half
    assert counts[:, 0].tolist() == [[0, 2, 2], [1, 1, 1]]


tags = st.lists(st.sampled_from(("O", *(f"{b}-{label}" for label in LABELS for b in "BI"))), max_size=12)


@given(st.lists(st.tuples(tags, st.randoms(use_true_random=False)), min_size=1, max_size=5))
def test_the_slices_of_a_slicing_add_up_to_the_whole(drawn: list[tuple[list[str], object]]) -> None:
    gold = [each for each, _ in drawn]
    predicted = [[random.choice(each) if random.random() < 0.3 else tag for tag in each] for each, random in drawn]  # type: ignore[attr-defined]
    a = make_table(map(strict_entities, gold))
    sides = [sorted(strict_entities(each)) for each in predicted]
    b = make_table(sides, [[random.random() for _ in side] for side, (_, random) in zip(sides, drawn, strict=True)])  # type: ignore[attr-defined]
    whole = sentence_counts(gold, predicted)
    words = [[f"w{place % 3}" for place in range(len(each))] for each in gold]
    known = [{"w0", "w1 w2"}] * len(gold)
    slicings = [
        by_type(LABELS),
        by_length(),
        by_sentence_length(map(len, gold)),
        by_surface(words, known, [{"w1"}] * len(gold)),
    ]
    for slicing in slicings:
        counts = slice_counts(slicing, a, b)
        assert np.array_equal(counts.sum(axis=0), whole), slicing.name
        assert (counts[..., 0] <= counts[..., 1]).all()
        assert (counts[..., 0] <= counts[..., 2]).all()
    sure = slice_counts(by_confidence(), a, b)
    assert np.array_equal(sure.sum(axis=0)[:, :2], whole[:, :2])
    assert np.array_equal(sure[..., 1], sure[..., 2])


def test_scores_by_type_are_those_of_the_scorer() -> None:
    gold = [["B-PER", "I-PER", "O", "B-ORG"], ["B-LOC", "O", "B-PER", "O"]]
    predicted = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O", "B-PER", "I-PER"]]
    scores = score_tags(gold, predicted).per_type
    tables = [make_table(map(strict_entities, side)) for side in (gold, predicted)]
    for label, (correct, found, there) in zip(LABELS, slice_counts(by_type(LABELS), *tables).sum(axis=1), strict=True):
        assert scores[label].f1 == pytest.approx(2 * correct / (found + there))
        assert scores[label].support == there
