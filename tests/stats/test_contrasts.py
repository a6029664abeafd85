"""Weighted sums of several systems' F1: their values, intervals and tests."""

import numpy as np
import pytest

from nerkd_local.stats.contrasts import Contrast, answer_contrasts
from nerkd_local.stats.randomisation import randomise


def made_up(seed, skill, *, seeds=4, documents=60, spread=0.02):
    """Counts of a system that finds 20 entities a document, each with its skill, which the training seed moves."""
    draws = np.random.default_rng(seed)
    skills = np.clip(skill + spread * draws.standard_normal((seeds, 1)), 0, 1)
    correct = draws.binomial(20, np.broadcast_to(skills, (seeds, documents)))
    return np.stack([correct, np.full_like(correct, 20), np.full_like(correct, 20)], axis=2)


def answers(tables, *weights, **more):
    contrasts = [Contrast(str(number), each) for number, each in enumerate(weights)]
    return answer_contrasts(contrasts, tables, seed=0, **more)


def test_the_value_is_the_weighted_sum_of_the_seeds_mean_f1():
    """F1 of 1 of 2 entities is 1/2, of 2 of 2 it is 1: by seed (1/2, 1), (1, 1) and (1/2, 1/2)."""
    one, two = [[1, 2, 2]], [[2, 2, 2]]
    tables = {"a": np.array([one, two]), "b": np.array([two, two]), "c": np.array([one, one])}
    plain, difference = answers(tables, {"a": 1, "b": -1}, {"a": 1, "b": -0.5, "c": -0.5}, resamples=50)
    assert plain.interval.mean == pytest.approx(0.75 - 1)
    assert difference.interval.mean == pytest.approx(0.75 - 0.5 - 0.25)
    assert difference.contrast.weights == {"a": 1, "b": -0.5, "c": -0.5}


def test_a_contrast_of_two_is_the_test_of_two():
    """To first order in the documents: the one flips what a document adds, the other swaps its answers."""
    tables = {"a": made_up(1, 0.8), "b": made_up(2, 0.78)}
    (answer,) = answers(tables, {"a": 1, "b": -1})
    test = randomise(tables["a"], tables["b"], seed=0)
    assert answer.interval.mean == pytest.approx(test.difference)
    assert answer.p == pytest.approx(test.p, abs=0.03)
    supported = test.interval()
    assert answer.interval.high - answer.interval.low == pytest.approx(supported.high - supported.low, rel=0.1)


def test_equal_tables_have_a_p_of_1_and_no_width():
    counts = made_up(1, 0.8)
    (answer,) = answers({"a": counts, "b": counts.copy()}, {"a": 1, "b": -1}, resamples=500)
    assert answer.p == 1
    assert answer.interval.mean == 0


def test_what_all_share_cancels_in_a_difference_of_differences():
    """Two systems that are each better by the same documents: their gains differ by nothing."""
    low, high = made_up(1, 0.7), made_up(2, 0.8)
    tables = {"a": high, "b": low, "c": high.copy(), "d": low.copy()}
    (answer,) = answers(tables, {"a": 1, "b": -1, "c": -1, "d": 1}, resamples=500)
    assert answer.interval.mean == pytest.approx(0)
    assert answer.p == 1


def test_the_interval_leaves_out_0_where_p_is_small_and_twice_the_weights_are_twice_the_interval():
    tables = {"a": made_up(1, 0.9), "b": made_up(2, 0.7), "c": made_up(3, 0.7)}
    ahead, same, twice = answers(tables, {"a": 1, "b": -1}, {"b": 1, "c": -1}, {"a": 2, "b": -2})
    assert ahead.p < 0.05
    assert ahead.interval.low > 0
    assert same.p > 0.05
    assert same.interval.low < 0 < same.interval.high
    assert twice.interval.mean == pytest.approx(2 * ahead.interval.mean)
    assert twice.p == pytest.approx(ahead.p, abs=0.02)


def test_documents_are_what_is_flipped():
    """All sentences in one document: one sign for all, so the documents' part is as large as the difference."""
    tables = {"a": made_up(1, 0.9, seeds=1), "b": made_up(2, 0.7, seeds=1)}
    (apart,) = answers(tables, {"a": 1, "b": -1}, groups=list(range(60)))
    (together,) = answers(tables, {"a": 1, "b": -1}, groups=[0] * 60)
    assert apart.p < 0.05
    assert together.p == 1


@pytest.mark.parametrize("seeds", [2, 5])
def test_without_a_difference_few_are_found(seeds):
    """300 evaluations of an interaction that is none; 5 % of them is 15, and the test errs to the safe side."""
    found = 0
    for number in range(300):
        tables = {
            name: made_up(4 * number + offset, 0.8, seeds=seeds, documents=30) for offset, name in enumerate("abcd")
        }
        (answer,) = answer_contrasts(
            [Contrast("none", {"a": 1, "b": -1, "c": -1, "d": 1})], tables, resamples=400, seed=number
        )
        found += answer.p <= 0.05
    assert found <= 24  # 15 and 2.4 standard errors


def test_what_cannot_be_answered_is_refused():
    tables = {"a": made_up(1, 0.8), "b": made_up(2, 0.8), "short": made_up(3, 0.8, seeds=2)}
    with pytest.raises(ValueError, match="do not sum to 0"):
        answers(tables, {"a": 1, "b": -0.5})
    with pytest.raises(ValueError, match="no table of 'c'"):
        answers(tables, {"a": 1, "c": -1})
    with pytest.raises(ValueError, match="same seeds"):
        answers(tables, {"a": 1, "short": -1})
    with pytest.raises(ValueError, match="0 resamples"):
        answers(tables, {"a": 1, "b": -1}, resamples=0)
    with pytest.raises(ValueError, match="level"):
        answers(tables, {"a": 1, "b": -1}, level=1.0)
    assert answers(tables) == []
