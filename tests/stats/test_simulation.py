"""The made-up evaluations are what they promise, and on them the test keeps its level and finds what is planted.

The full table is made by scripts/studies/differences.py; here so many evaluations are drawn as seconds allow. What is
asserted is what an exact binomial test would not reject: with the promised rate, such a count or a further one has a
chance of one in a thousand.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from nerkd_local.stats.bootstrap import check_counts, micro_f1
from nerkd_local.stats.detectable import smallest_found
from nerkd_local.stats.randomisation import Randomisation, randomise
from nerkd_local.stats.simulation import Population, draw_evaluation

RESAMPLES = 199


def evaluate(count: int, seed: int, population: Population | None = None, **how) -> list[Randomisation]:
    generator = np.random.default_rng(seed)
    return [
        randomise(
            *draw_evaluation(population or Population(), generator=generator, **how), resamples=RESAMPLES, seed=number
        )
        for number in range(count)
    ]


def rejected(tests: list[Randomisation]) -> int:
    return sum(test.p <= 0.05 for test in tests)


def most(count: int, rate: float) -> int:
    """The largest count that does not speak against a rate of at most that."""
    return int(binom.isf(0.001, count, rate))


def least(count: int, rate: float) -> int:
    """The smallest count that does not speak against a rate of at least that."""
    return int(binom.ppf(0.001, count, rate))


@pytest.mark.parametrize(("documents", "seeds"), [(30, 2), (30, 5), (216, 3)])
@pytest.mark.parametrize("same_regimen", [True, False])
def test_where_there_is_no_difference_at_most_one_in_twenty_is_rejected(documents, seeds, same_regimen):
    tests = evaluate(200, seed=seeds, documents=documents, seeds=seeds, same_regimen=same_regimen)
    assert rejected(tests) <= most(200, 0.05)


@pytest.mark.parametrize("population", [Population(seed_sd=0.0, regimen=0.02), Population(seed_ratio=4.0)])
def test_neither_without_luck_of_the_seeds_nor_where_it_is_unequal(population):
    tests = evaluate(200, seed=1, population=population, documents=40, seeds=4)
    assert rejected(tests) <= most(200, 0.05)


def test_swapping_documents_alone_takes_other_seeds_for_another_regimen():
    tests = evaluate(100, seed=5, documents=216, seeds=3, same_regimen=True)
    assert sum(test.p_models <= 0.05 for test in tests) > 2 * most(100, 0.05)


def test_planted_differences_are_found_about_as_often_as_is_said():
    """Four times in five, give or take: what two in three to nine in ten would not give is refused."""
    kind = Population(paired=0.2)
    said = np.median([smallest_found(test) for test in evaluate(60, 8, kind, documents=60, seeds=5)])
    found = rejected(evaluate(150, 9, kind, documents=60, seeds=5, difference=float(said)))
    assert least(150, 2 / 3) <= found <= most(150, 0.9)


def test_counts_are_possible_and_those_of_one_evaluation():
    a, b = draw_evaluation(Population(), documents=50, seeds=4, difference=0.05, generator=np.random.default_rng(0))
    for counts in (a, b):
        check_counts(counts)
        assert counts.shape == (4, 50, 3)
        assert (counts[..., 2] == a[0, :, 2]).all()
        assert (counts[..., 2] >= 1).all()


def test_the_same_generator_gives_the_same_evaluation():
    one, other, another = (
        draw_evaluation(Population(), documents=20, seeds=2, generator=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, other)
    assert not np.array_equal(one[0][..., 2], another[0][..., 2])


def test_f1_and_the_planted_difference_are_the_expected_ones():
    generator = np.random.default_rng(3)
    population = Population(f1=0.7, missed=0.25)
    f1 = np.array(
        [
            [micro_f1(counts.sum(axis=1)).mean() for counts in pair]
            for pair in (
                draw_evaluation(population, documents=100, seeds=3, difference=0.06, generator=generator)
                for _ in range(80)
            )
        ]
    )
    error = f1.std(axis=0, ddof=1) / np.sqrt(len(f1))
    assert abs(f1[:, 1].mean() - 0.7) < 4 * error[1]
    lead = f1[:, 0] - f1[:, 1]
    assert abs(lead.mean() - 0.06) < 4 * lead.std(ddof=1) / np.sqrt(len(f1))


def test_seeds_move_f1_by_as_much_as_is_said():
    generator = np.random.default_rng(4)
    population = Population(seed_sd=0.02, seed_ratio=4.0, seed_document=0.0)
    pairs = [draw_evaluation(population, documents=300, seeds=6, generator=generator) for _ in range(25)]
    a, b = (np.sqrt(np.mean([micro_f1(pair[side].sum(axis=1)).var(ddof=1) for pair in pairs])) for side in (0, 1))
    assert a == pytest.approx(0.04, rel=0.2)
    assert b == pytest.approx(0.01, rel=0.25)


def test_without_any_luck_two_runs_of_one_regimen_are_the_same():
    kind = Population(seed_sd=0.0, seed_document=0.0, document=0.3, entity=0.7, regimen=0.0)
    a, b = draw_evaluation(kind, documents=10, seeds=2, same_regimen=True, generator=np.random.default_rng(0))
    assert np.array_equal(a, b)
    assert np.array_equal(a[0], a[1])


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"f1": 1.0}, "between 0 and 1"),
        ({"document": 0.9}, "less than nothing"),
        ({"seed_sd": -0.1}, "not negative"),
        ({"entities_per_document": 0}, "must be positive"),
    ],
)
def test_a_population_that_cannot_be_is_refused(wrong, problem):
    with pytest.raises(ValueError, match=problem):
        Population(**wrong)


@pytest.mark.parametrize(
    "how",
    [
        {"documents": 0, "seeds": 1},
        {"documents": 1, "seeds": 0},
        {"documents": 1, "seeds": 1, "difference": 0.3},
        {"documents": 1, "seeds": 1, "difference": 0.1, "same_regimen": True},
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(how):
    with pytest.raises(ValueError, match=r"at least 1|not possible"):
        draw_evaluation(Population(), generator=np.random.default_rng(0), **how)
