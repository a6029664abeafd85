"""Scores by hand, equal to seqeval's own report, and to the sums of the sentence counts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2

from nerkd_local.errors import InputError
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.evaluate.metrics import Score, score_tags, scores_to_rows

TAGS = ["O", "B-A", "I-A", "B-B", "I-B", "B-C-D", "I-C-D"]
token = st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS))
sentences = st.lists(st.lists(token, max_size=8), max_size=6)


def sides(pairs):
    return [[gold for gold, _ in row] for row in pairs], [[predicted for _, predicted in row] for row in pairs]


# gold: A(0,2), B(3,4) | A(0,1)
# predicted: A(0,2), A(3,4) | a stray I-A, which only the lenient reading takes
GOLD = [["B-A", "I-A", "O", "B-B"], ["B-A", "O"]]
PREDICTED = [["B-A", "I-A", "O", "B-A"], ["I-A", "O"]]


def test_scores_by_hand():
    scores = score_tags(GOLD, PREDICTED)
    assert scores.strict == Score(1 / 2, 1 / 3, 2 / 5, 3)
    assert scores.lenient == Score(2 / 3, 2 / 3, 2 / 3, 3)
    assert scores.per_type == {"A": Score(1 / 2, 1 / 2, 1 / 2, 2), "B": Score(0, 0, 0, 1)}
    assert scores.macro == Score(1 / 4, 1 / 4, 1 / 4, 3)


@given(sentences)
@settings(max_examples=60)
def test_strict_scores_are_those_of_the_sentence_counts(pairs):
    gold, predicted = sides(pairs)
    correct, found, true = sentence_counts(gold, predicted).sum(axis=0).tolist()
    strict = score_tags(gold, predicted).strict
    assert strict.support == true
    assert strict.precision == pytest.approx(correct / found if found else 0)
    assert strict.recall == pytest.approx(correct / true if true else 0)
    assert strict.f1 == pytest.approx(2 * correct / (found + true) if found + true else 0)


@given(sentences.filter(lambda pairs: any(tag[0] == "B" for row in pairs for both in row for tag in both)))
@settings(max_examples=60)
def test_every_figure_is_the_one_in_seqevals_report(pairs):
    gold, predicted = sides(pairs)
    scores = score_tags(gold, predicted)
    report = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    ours = {"micro avg": scores.strict, "macro avg": scores.macro, **scores.per_type}
    report.pop("weighted avg")
    assert ours.keys() == report.keys()
    for name, score in ours.items():
        theirs = [report[name][key] for key in ("precision", "recall", "f1-score", "support")]
        assert [score.precision, score.recall, score.f1, score.support] == pytest.approx(theirs)
    assert scores.lenient.f1 == pytest.approx(f1_score(gold, predicted, zero_division=0))


@pytest.mark.parametrize(("gold", "predicted"), [([], []), ([[]], [[]]), ([["O", "O"]], [["O", "I-A"]])])
def test_nothing_to_find_and_nothing_found_scores_zero_without_a_warning(gold, predicted):
    scores = score_tags(gold, predicted)
    assert scores.strict == scores.macro == Score(0, 0, 0, 0)
    assert scores.per_type == {}


def test_a_label_may_be_called_like_an_average():
    scores = score_tags([["B-micro avg", "B-A"]], [["B-micro avg", "O"]])
    assert scores.strict.f1 == pytest.approx(2 / 3)
    assert scores.per_type["micro avg"] == Score(1, 1, 1, 1)


def test_tuples_and_other_sequences_are_scored_like_lists():
    assert score_tags(tuple(map(tuple, GOLD)), tuple(map(tuple, PREDICTED))) == score_tags(GOLD, PREDICTED)


def test_tables_that_are_not_aligned_are_refused():
    with pytest.raises(InputError, match="score the same tokens"):
        score_tags([["O", "O"]], [["O"]])


def test_rows_are_plain_json_in_a_fixed_order():
    rows = scores_to_rows(score_tags(GOLD, PREDICTED))
    assert [(row["type"], row["mode"]) for row in rows] == [
        ("micro", "strict"),
        ("micro", "lenient"),
        ("macro", "strict"),
        ("A", "strict"),
        ("B", "strict"),
    ]
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0] == {
        "type": "micro",
        "mode": "strict",
        "precision": 1 / 2,
        "recall": 1 / 3,
        "f1": pytest.approx(2 / 5),
        "support": 3,
    }
