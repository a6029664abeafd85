"""What may be said, case by case, and what may never be said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.evidence.verdict import is_ruled_out, judge
from nerkd_local.stats.bootstrap import Interval
from nerkd_local.stats.comparison import Comparison

FAR, NEAR = Interval(0.03, 0.01, 0.05), Interval(0.005, -0.01, 0.02)
BEHIND = Interval(-0.03, -0.05, -0.01)


def comparison(f1: Interval, p: float, **more: object) -> Comparison:
    plain = Comparison(
        seeds=5,
        documents=216,
        gold=6000,
        level=0.95,
        f1=f1,
        supported=Interval(f1.mean, f1.mean - 0.04, f1.mean + 0.04),
        found=Interval(0, 0, 0),
        spared=Interval(0, 0, 0),
        p=p,
        p_models=p,
        smallest=0.02,
        seeds_needed=None,
        adjusted=p,
        adjusted_models=p,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        (comparison(FAR, 0.001), "better", "better"),
        (comparison(FAR, 0.05), "better", "better"),
        (comparison(BEHIND, 0.001), "worse", "worse"),
        # the interval holds 0
        (comparison(NEAR, 0.001), "not told apart", "no difference larger than 0.045 is supported"),
        # the test does not reject, or no longer after correction
        (comparison(FAR, 0.06), "not told apart", "no difference larger than 0.070 is supported"),
        (comparison(FAR, 0.001, adjusted=0.2), "not told apart", "no difference larger than 0.070 is supported"),
        (comparison(BEHIND, 0.06), "not told apart", "no difference larger than 0.070 is supported"),
        # the models differ, the regimens may not
        (
            comparison(FAR, 0.2, adjusted_models=0.001, seeds_needed=9),
            "too few seeds",
            "not enough seeds: about 9 would find such a difference, if it is real",
        ),
        # but no number of seeds can be named, or there are as many already
        (comparison(FAR, 0.2, adjusted_models=0.001), "not told apart", "no difference larger than 0.070 is supported"),
        (
            comparison(FAR, 0.2, adjusted_models=0.001, seeds_needed=5),
            "not told apart",
            "no difference larger than 0.070 is supported",
        ),
        # nor do the models
        (comparison(FAR, 0.2, seeds_needed=9), "not told apart", "no difference larger than 0.070 is supported"),
        # one seed is never enough, whatever the numbers
        (
            comparison(FAR, 0.0001, seeds=1),
            "too few seeds",
            "not enough seeds: one compares two models, not two regimens",
        ),
        # another level
        (comparison(FAR, 0.03, level=0.99), "not told apart", "no difference larger than 0.070 is supported"),
    ],
)
def test_verdicts(case, kind, words):
    verdict = judge(case)
    assert (verdict.kind, verdict.words) == (kind, words)


INTERVALS = st.tuples(*[st.floats(-1, 1)] * 3).map(sorted).map(lambda ends: Interval(ends[1], ends[0], ends[2]))
CASES = st.builds(
    comparison,
    INTERVALS,
    st.floats(0, 1),
    seeds=st.integers(1, 9),
    level=st.floats(0.5, 0.999),
    supported=INTERVALS,
    adjusted=st.floats(0, 1),
    adjusted_models=st.floats(0, 1),
    seeds_needed=st.none() | st.integers(1, 50),
)


@given(CASES)
def test_a_difference_takes_a_small_adjusted_p_an_interval_without_0_and_two_seeds(case):
    verdict = judge(case)
    told = verdict.kind in ("better", "worse")
    assert told == (case.seeds > 1 and case.adjusted <= 1 - case.level and (case.f1.low > 0 or case.f1.high < 0))
    if verdict.kind == "better":
        assert case.f1.low > 0
    if verdict.kind == "worse":
        assert case.f1.high < 0
    if not told:
        assert "better" not in verdict.words
        assert "worse" not in verdict.words
    assert "best" not in verdict.words


@given(INTERVALS, st.floats(0, 1), st.integers(0, 9), st.integers(1, 30), st.floats(0.5, 0.999))
def test_what_overlaps_the_leader_is_not_ruled_out(lead, p, seeds, rivals, level):
    out = is_ruled_out(lead, p, seeds=seeds, rivals=rivals, level=level)
    if out:
        assert lead.low > 0
        assert seeds > 1
        assert p * rivals / 2 <= 1 - level
    else:
        assert not is_ruled_out(lead, p, seeds=seeds, rivals=rivals + 1, level=level)


@pytest.mark.parametrize(
    ("lead", "p", "seeds", "rivals", "out"),
    [
        (FAR, 0.01, 5, 10, True),  # one-sided .005, ten times
        (FAR, 0.011, 5, 10, False),
        (FAR, 0.1, 5, 1, True),
        (NEAR, 0.0001, 5, 1, False),
        (FAR, 0.0001, 1, 1, False),
    ],
)
def test_ruled_out(lead, p, seeds, rivals, out):
    assert is_ruled_out(lead, p, seeds=seeds, rivals=rivals, level=0.95) is out
