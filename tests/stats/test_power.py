"""The formula against hand-made cases, against what it must do for any corpus, and against drawn students."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.stats.bootstrap import f1_difference
from nerkd_local.stats.power import describe_smallest_difference, smallest_difference

Z = 1.959964 + 0.841621
"""For a level of 95% and a power of 80%."""

corpora = st.lists(st.integers(0, 5), min_size=1, max_size=40).filter(any).map(np.array)


def test_one_entity_a_sentence_is_a_count_of_disagreements():
    """400 entities, F1 .8, correlation .5: each disagrees with chance 2 * .8 * .2 * .5 = .16, so SE = .4 / 20."""
    ones = np.ones(400, np.int64)
    alone = {"seeds": 1, "seed_sd": 0.0, "correlation": 0.5}
    assert smallest_difference(ones, **alone) == pytest.approx(Z * 0.02, rel=1e-5)
    assert smallest_difference(ones, **alone, power=0.5) == pytest.approx(1.959964 * 0.02, rel=1e-5)
    assert smallest_difference(ones, **alone, level=0.9) == pytest.approx((1.644854 + 0.841621) * 0.02, rel=1e-5)


def test_seeds_share_four_tenths_of_the_disagreement_and_average_the_rest():
    """With 2 and with 5 seeds the bootstrap sees (3 - 2 / k) / k = 1 and 13 / 25 of the other six tenths."""
    ones = np.ones(400, np.int64)
    common = {"seed_sd": 0.0, "correlation": 0.5}
    assert smallest_difference(ones, seeds=2, **common) == pytest.approx(Z * 0.02, rel=1e-5)
    five = Z * 0.02 * math.sqrt(0.4 + 0.6 * 13 / 25)
    assert smallest_difference(ones, seeds=5, **common) == pytest.approx(five, rel=1e-5)


def test_the_seeds_luck_stays_however_many_sentences():
    """Two systems of 2 seeds: SE = sqrt(2 * .01^2 / 2)."""
    many = np.ones(10**6, np.int64)
    assert smallest_difference(many, seeds=2, seed_sd=0.01) == pytest.approx(Z * 0.01, rel=1e-2)


def test_documents_widen_the_shared_part():
    """40 documents of 10 entities: A = 10, and the shared .4 grows by 1 + .06 * 9."""
    ones = np.ones(400, np.int64)
    common = {"seeds": 1, "seed_sd": 0.0, "correlation": 0.5}
    expected = Z * 0.02 * math.sqrt(0.4 * 1.54 + 0.6)
    assert smallest_difference(ones, groups=np.arange(400) % 40, **common) == pytest.approx(expected, rel=1e-5)
    assert smallest_difference(np.full(40, 10), **common) == pytest.approx(expected, rel=1e-5)


def test_students_drawn_with_that_correlation_differ_as_much_as_is_said():
    """Right with chance .8 in both, correlated by .68, sentences of one entity, another label where it is wrong."""
    draws = np.random.default_rng(0)
    same = draws.random((1000, 500)) < 0.68
    both, a, b = (draws.random((1000, 500)) < 0.8 for _ in range(3))
    a, b = np.where(same, both, a), np.where(same, both, b)
    predicted = smallest_difference(np.ones(500, np.int64), seeds=1, seed_sd=0.0) / Z
    assert np.std(a.mean(axis=1) - b.mean(axis=1)) == pytest.approx(predicted, rel=0.05)
    counts = [np.stack([right[0], np.ones(500), np.ones(500)], axis=-1).astype(np.int64)[None] for right in (a, b)]
    interval = f1_difference(*counts, seed=0)
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(predicted, rel=0.15)


@given(corpora)
def test_more_labels_more_seeds_and_a_lower_demand_show_smaller_differences(gold):
    here = smallest_difference(gold)
    assert 0 < here < math.inf
    assert smallest_difference(np.tile(gold, 2)) < here
    assert smallest_difference(gold, seeds=6) < here
    assert smallest_difference(gold, power=0.7) < here < smallest_difference(gold, level=0.99)
    assert smallest_difference(gold, correlation=0.8) < here < smallest_difference(gold, seed_sd=0.01)
    assert smallest_difference(gold, f1=0.9) < here < smallest_difference(gold, f1=0.7)


@given(corpora, st.data())
def test_documents_never_help_and_sentences_without_entities_change_nothing(gold, data):
    groups = data.draw(st.lists(st.integers(0, 3), min_size=len(gold), max_size=len(gold)))
    here = smallest_difference(gold)
    assert smallest_difference(gold, groups=groups) >= here * (1 - 1e-12)
    assert smallest_difference(gold, groups=range(len(gold))) == here
    assert smallest_difference(np.append(gold, [0, 0])) == pytest.approx(here)


def test_without_entities_nothing_can_be_shown():
    assert smallest_difference(np.zeros(5, np.int64)) == math.inf


@pytest.mark.parametrize(
    ("gold", "parameters", "message"),
    [
        ([], {}, "at least one"),
        ([[1]], {}, "at least one"),
        ([-1], {}, "none negative"),
        ([1], {"f1": 1.0}, "f1 is 1.0"),
        ([1], {"correlation": 0.0}, "correlation is 0.0"),
        ([1], {"level": 1.0}, "level is 1.0"),
        ([1], {"power": 0.0}, "power is 0.0"),
        ([1], {"power": 0.02}, "chance alone"),
        ([1], {"seeds": 0}, "0 seeds"),
        ([1], {"seed_sd": -0.1}, "deviation of -0.1"),
        ([1], {"groups": [0, 1]}, "a document a sentence"),
    ],
)
def test_what_has_no_meaning_is_refused(gold, parameters, message):
    with pytest.raises(ValueError, match=message):
        smallest_difference(np.array(gold, np.int64), **parameters)


def test_the_line_says_how_much_and_what_more_would_take():
    gold, groups = np.tile([0, 1, 2, 3], 125), np.arange(500) // 20
    smallest = smallest_difference(gold, groups=groups)
    line = describe_smallest_difference(gold, groups=groups)
    begin, _, more = line.partition("; to show 0.020 takes about ")
    assert begin == (
        "500 labelled sentences from 25 documents with 750 entities, 5 seeds: differences in F1 under about "
        f"{smallest:.3f} cannot be told from chance (95%, power 80%, F1 around 0.80)"
    )
    sentences = int(more.removesuffix(" sentences").replace(",", ""))
    # so many sentences of the same kind do show it, up to the rounding
    gold, groups = np.resize(gold, sentences), np.arange(sentences) // 20
    assert 0.019 < smallest_difference(gold, groups=groups) < 0.0201


def test_the_line_counts_one_of_each_in_the_singular_and_names_no_documents_that_are_not_given():
    line = describe_smallest_difference(np.array([1]), seeds=1, correlation=0.999, f1=0.5)
    assert line.startswith("1 labelled sentence with 1 entity, 1 seed: differences in F1 under about 0.")


def test_where_the_target_is_shown_already_nothing_more_is_asked():
    line = describe_smallest_difference(np.ones(10**5, np.int64))
    assert line.endswith("cannot be told from chance (95%, power 80%, F1 around 0.80)")


def test_where_seeds_hide_the_target_more_of_them_are_asked_for():
    """2 * .02^2 / k must fall below (.02 / 2.8016)^2: 16 seeds are the first."""
    line = describe_smallest_difference(np.ones(1000, np.int64), seed_sd=0.02)
    assert line.endswith("; to show 0.020 takes at least 16 seeds")
    assert smallest_difference(np.ones(10**6, np.int64), seed_sd=0.02, seeds=16) < 0.02
    assert smallest_difference(np.ones(10**6, np.int64), seed_sd=0.02, seeds=15) > 0.02


@pytest.mark.parametrize("gold", [[0, 0, 0], [1], [5, 0]])
def test_labels_that_show_nothing_say_so(gold):
    """From an F1 of .8 there is only .2 to gain."""
    line = describe_smallest_difference(np.array(gold))
    assert line.endswith("no improvement in F1 can be told from chance; label more sentences from more documents")
