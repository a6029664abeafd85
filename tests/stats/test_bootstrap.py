"""Intervals where the bootstrap's distribution can be written down, and what must hold for any table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nerkd_local.stats import bootstrap
from nerkd_local.stats.bootstrap import Interval, f1_difference, f1_interval, ratio_difference, ratio_intervals

RIGHT, WRONG, NOTHING = (1, 1, 1), (0, 1, 1), (0, 0, 0)


def table(*seeds):
    return np.array(seeds, dtype=np.int64)


@st.composite
def some_tables(draw):
    seeds, sentences = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    correct, missed, invented = (
        draw(arrays(np.int64, (seeds, sentences), elements=st.integers(0, 3))) for _ in range(3)
    )
    return np.stack([correct, correct + invented, correct + missed], axis=-1)


def test_two_sentences_one_right_have_the_three_values_that_can_be_drawn():
    """F1 of a resample is 0, 1/2 and 1 with chances 1/4, 1/2 and 1/4."""
    counts = table([RIGHT, WRONG])
    assert f1_interval(counts, seed=0) == Interval(0.5, 0.0, 1.0)
    assert f1_interval(counts, seed=0, level=0.4) == Interval(0.5, 0.5, 0.5)


def test_three_seeds_on_one_sentence_vary_by_seed_alone():
    """The number of right seeds among 3 drawn is binomial(3, 1/3): 0, 1, 2, 3 with 8, 12, 6, 1 of 27."""
    counts = table([RIGHT], [WRONG], [WRONG])
    assert f1_interval(counts, seed=0) == Interval(
        pytest.approx(1 / 3), 0.0, pytest.approx(1.0)
    )  # the upper 2.5% lie within the 3.7% of three right ones
    assert f1_interval(counts, seed=0, level=0.9).high == pytest.approx(2 / 3)


def test_the_width_is_that_of_the_normal_limit():
    """Sentences with one entity, right with chance .8: F1 is a mean, its error sqrt(.8 * .2 / N)."""
    right = np.arange(2500) % 5 != 0
    counts = np.stack([right, np.ones(2500), np.ones(2500)], axis=-1).astype(np.int64)[None]
    interval = f1_interval(counts, resamples=4000, seed=1)
    assert interval.mean == 0.8
    assert interval.low == pytest.approx(0.8 - 1.96 * 0.008, abs=0.0012)
    assert interval.high == pytest.approx(0.8 + 1.96 * 0.008, abs=0.0012)


def test_seeds_that_disagree_widen_the_interval():
    sentence_noise = np.tile([RIGHT, RIGHT, RIGHT, WRONG], (100, 1))
    agreeing = np.stack([sentence_noise] * 4)
    disagreeing = agreeing.copy()
    disagreeing[0, :200, 0] = 0
    narrow, wide = (f1_interval(counts, seed=0) for counts in (agreeing, disagreeing))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@given(some_tables(), st.integers(0, 3))
@settings(max_examples=50)
def test_an_interval_lies_in_range_and_the_wider_level_holds_the_narrower(counts, seed):
    wide, narrow = (f1_interval(counts, resamples=50, seed=seed, level=level) for level in (0.95, 0.5))
    assert 0 <= wide.low <= narrow.low <= narrow.high <= wide.high <= 1
    assert wide.mean == narrow.mean


@given(some_tables())
@settings(max_examples=50)
def test_the_mean_is_the_seeds_mean_f1_on_the_data_itself(counts):
    correct, predicted, gold = counts.sum(axis=1).T
    expected = np.mean(2 * correct / np.maximum(predicted + gold, 1))
    assert f1_interval(counts, resamples=1, seed=0).mean == pytest.approx(expected)


@given(some_tables(), st.integers(1, 40))
@settings(max_examples=25)
def test_resampling_in_pieces_changes_nothing(counts, cells):
    whole = f1_interval(counts, resamples=30, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "_CELLS", cells)
        assert f1_interval(counts, resamples=30, seed=5) == whole


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    counts = np.tile([RIGHT, WRONG, RIGHT], (1, 50, 1))
    assert f1_interval(counts, seed=1) == f1_interval(counts, seed=1)
    assert len({f1_interval(counts, resamples=99, seed=seed).low for seed in range(20)}) > 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (table([RIGHT] * 5), Interval(1.0, 1.0, 1.0)),
        (table([WRONG] * 5), Interval(0.0, 0.0, 0.0)),
        (table([NOTHING] * 5), Interval(0.0, 0.0, 0.0)),
        (table([RIGHT]), Interval(1.0, 1.0, 1.0)),
    ],
)
def test_data_without_variation_has_an_interval_without_width(counts, expected):
    assert f1_interval(counts, seed=0) == expected


@given(some_tables(), st.booleans())
@settings(max_examples=50)
def test_a_system_differs_from_itself_by_nothing(counts, paired):
    difference = f1_difference(counts, counts, paired_seeds=paired, resamples=50, seed=0)
    assert difference.mean == 0
    if paired or len(counts) == 1:
        assert (difference.low, difference.high) == (0, 0)


@given(some_tables(), st.integers(0, 3))
@settings(max_examples=50)
def test_changing_sides_changes_the_sign(counts, seed):
    other = counts.copy()
    other[..., 0] = 0
    ab = f1_difference(counts, other, resamples=40, seed=seed)
    ba = f1_difference(other, counts, resamples=40, seed=seed)
    assert (ba.mean, ba.low, ba.high) == pytest.approx((-ab.mean, -ab.high, -ab.low))


def test_a_better_system_on_the_same_hard_sentences_is_told_apart():
    """Each interval alone spans .2; sentence by sentence a is never worse and b fails one in twenty more."""
    a = np.tile([RIGHT, WRONG], (1, 50, 1))
    b = a.copy()
    b[0, ::20, 0] = 0
    alone = f1_interval(a, seed=0)
    difference = f1_difference(a, b, seed=0)
    assert difference.mean == pytest.approx(0.05)
    assert difference.low > 0
    assert difference.high - difference.low < (alone.high - alone.low) / 2


def test_paired_seeds_cancel_what_unpaired_seeds_do_not():
    """Seed 0 is bad for both systems: paired, that says nothing about their difference."""
    a = table([WRONG] * 4, [RIGHT] * 4, [RIGHT] * 4)
    assert f1_difference(a, a, seed=0) == Interval(0.0, 0.0, 0.0)
    unpaired = f1_difference(a, a, paired_seeds=False, seed=0)
    assert unpaired.low < 0 < unpaired.high


def test_unpaired_systems_may_have_other_numbers_of_seeds():
    a, b = table([RIGHT] * 4), table([WRONG] * 4, [WRONG] * 4)
    assert f1_difference(a, b, paired_seeds=False, seed=0) == Interval(1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="1 and 2 seeds cannot be paired"):
        f1_difference(a, b, seed=0)


@st.composite
def grouped_tables(draw):
    counts = draw(some_tables())
    groups = draw(st.lists(st.integers(0, 4), min_size=counts.shape[1], max_size=counts.shape[1]))
    return counts, groups


@given(some_tables(), st.integers(0, 3), st.randoms())
@settings(max_examples=20)
def test_documents_of_one_sentence_are_the_sentence_bootstrap_to_the_last_bit(counts, seed, random):
    names = list(range(counts.shape[1]))
    random.shuffle(names)
    for groups in (names, [f"document {name}" for name in names], np.array(names)):
        plain = f1_interval(counts, resamples=30, seed=seed)
        assert f1_interval(counts, groups=groups, resamples=30, seed=seed) == plain
        other = counts[:, ::-1]
        plain = f1_difference(counts, other, resamples=30, seed=seed)
        assert f1_difference(counts, other, groups=groups, resamples=30, seed=seed) == plain


@given(grouped_tables(), st.integers(0, 3))
@settings(max_examples=30)
def test_a_documents_sentences_count_as_their_sum(grouped, seed):
    """Wherever they stand, and whatever the document is called."""
    counts, groups = grouped
    in_order = list(dict.fromkeys(groups))
    sums = np.stack([counts[:, [group == name for group in groups]].sum(axis=1) for name in in_order], axis=1)
    expected = f1_interval(sums, resamples=30, seed=seed)
    assert f1_interval(counts, groups=groups, resamples=30, seed=seed) == expected
    assert f1_interval(counts, groups=[-7 * name for name in groups], resamples=30, seed=seed) == expected


def test_two_documents_are_drawn_whole():
    """Three right sentences and one wrong one, in two documents: F1 of a resample is 3/4 with chance 1/2, and 1
    and 0 with chance 1/4 each. By sentences 0 would be as rare as 1/256."""
    counts = table([RIGHT, RIGHT, WRONG, RIGHT])
    assert f1_interval(counts, groups=["a", "a", "b", "a"], seed=0) == Interval(0.75, 0.0, 1.0)
    assert f1_interval(counts, groups=["a", "a", "b", "a"], seed=0, level=0.4) == Interval(0.75, 0.75, 0.75)
    assert f1_interval(counts, seed=0).low > 0


def test_sentences_that_fail_together_widen_the_intervals():
    """100 documents of 9 sentences, all right or all wrong in one: as much as 100 sentences can tell, so 3 times as
    wide as 900 would be."""
    right = np.repeat(np.arange(100) % 5 != 0, 9)
    counts = np.stack([right, np.ones(900), np.ones(900)], axis=-1).astype(np.int64)[None]
    documents = np.repeat(np.arange(100), 9)
    other = np.roll(counts, 9, axis=1)
    for score in (
        lambda **how: f1_interval(counts, seed=0, **how),
        lambda **how: f1_difference(counts, other, seed=0, **how),
    ):
        narrow, wide = score(), score(groups=documents)
        assert wide.mean == narrow.mean
        assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(3, rel=0.15)


def test_a_single_document_has_an_interval_without_width():
    counts = table([RIGHT, WRONG, RIGHT])
    assert f1_interval(counts, groups=[1, 1, 1], seed=0) == Interval(pytest.approx(2 / 3), *[pytest.approx(2 / 3)] * 2)


@pytest.mark.parametrize("groups", [[0], [0, 1, 2], [], [[0, 1]]])
def test_a_document_for_each_sentence_is_needed(groups):
    counts = table([RIGHT, WRONG])
    with pytest.raises(ValueError, match=r"\(2,\) is needed, a document a sentence"):
        f1_interval(counts, groups=groups, seed=0)
    with pytest.raises(ValueError, match=r"\(2,\) is needed"):
        f1_difference(counts, counts, groups=groups, seed=0)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (1, 4, 2), (0, 4, 3), (1, 0, 3)])
def test_a_table_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(seeds, sentences, 3\) is needed"):
        f1_interval(np.zeros(shape, dtype=np.int64), seed=0)


@pytest.mark.parametrize("row", [(2, 1, 3), (2, 3, 1), (-1, 0, 0)])
def test_impossible_counts_are_refused(row):
    with pytest.raises(ValueError, match="counts are impossible"):
        f1_interval(table([RIGHT, row]), seed=0)


def test_other_sentences_are_no_comparison():
    with pytest.raises(ValueError, match="1 and 2 sentences"):
        f1_difference(table([RIGHT]), table([RIGHT, WRONG]), seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"resamples": 0}, "0 resamples"), ({"level": 0.0}, "level of 0.0"), ({"level": 1.0}, "level of 1.0")],
)
def test_settings_without_a_meaning_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        f1_interval(table([RIGHT]), seed=0, **wrong)


def test_f1_is_a_ratio_and_has_the_same_interval_as_one() -> None:
    counts = np.random.default_rng(0).integers(0, 4, (3, 40, 1)) + np.array([0, 2, 3])
    counts[..., 0] = np.minimum(counts[..., 0], counts[..., 1])
    groups = np.arange(40) // 4
    ratio = np.stack([2 * counts[..., 0], counts[..., 1] + counts[..., 2]], axis=-1)
    (found,) = ratio_intervals([ratio], groups=groups, seed=7)
    assert found == f1_interval(counts, groups=groups, seed=7)


def test_tables_together_have_the_intervals_that_each_has_alone() -> None:
    draw = np.random.default_rng(1)
    tables = [draw.integers(0, 9, (seeds, 30, 2)) for seeds in (1, 3, 5)]
    together = ratio_intervals(tables, seed=3)
    assert together == [ratio_intervals([table], seed=3)[0] for table in tables]
    assert ratio_intervals([], seed=3) == []


def test_a_ratio_by_hand() -> None:
    counts = np.array([[[1, 4], [3, 4]], [[0, 4], [2, 4]]])  # 4/8 and 2/8
    (found,) = ratio_intervals([counts], seed=0)
    assert found.mean == pytest.approx(0.375)
    assert found.low <= found.mean <= found.high
    (nothing,) = ratio_intervals([np.zeros((2, 3, 2), np.int64)], seed=0)
    assert (nothing.mean, nothing.low, nothing.high) == (0.0, 0.0, 0.0)


def test_a_ratio_may_be_more_than_one_and_its_difference_is_paired() -> None:
    a, b = np.array([[[6, 2], [9, 3], [3, 1]]]), np.array([[[2, 2], [3, 3], [1, 1]]])
    found = ratio_difference(a, b, seed=0)
    assert found.mean == pytest.approx(2.0)
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))  # whatever is drawn: 3 against 1


def test_ratios_that_cannot_be_made() -> None:
    good = np.ones((1, 3, 2), np.int64)
    for bad, problem in (
        (np.ones((1, 3, 3), np.int64), "2. is needed"),
        (-good, "none is less than 0"),
        (np.ones((0, 3, 2), np.int64), "none of them 0"),
    ):
        with pytest.raises(ValueError, match=problem):
            ratio_intervals([bad], seed=0)
    with pytest.raises(ValueError, match="different numbers of sentences"):
        ratio_intervals([good, np.ones((1, 4, 2), np.int64)], seed=0)
    with pytest.raises(ValueError, match="the same is needed"):
        ratio_difference(good, np.ones((2, 3, 2), np.int64), seed=0)
