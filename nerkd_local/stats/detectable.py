"""How small a difference an evaluation with its seeds can show, from the variance that was seen in it.

Where `power` predicts this before anything is trained, from constants of other runs, this is about a comparison that
was made. A true difference d is found if the one that is seen, normal around d with the standard error that documents
and seeds give, goes further than luck reaches in `randomisation`'s test. The reach is not a constant: the seeds' spread
is estimated anew in each evaluation (a chi-square with Welch's degrees of freedom, around what was seen here), and a
difference that lies in all documents makes the swaps vary more. So the chance is a mean over 16 such spreads, and

    d solves mean over c of P(normal(d, SE) > reach(d, c)) = power

(normal approximation; the other side's tail is neglected). It is a property of the evaluation and its seeds, not of the
difference that was seen. Planted differences of that size were found in 77 to 91 of 100 simulated evaluations with 3 to
10 seeds, and in 63 with two (docs/results/statistics/).

From two or three seeds the figure is itself uncertain: of several comparisons on the same sentences take the middle
one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nerkd_local.stats.bootstrap import Array
from nerkd_local.stats.randomisation import Randomisation, reach_of

MOST_SEEDS = 50
"""Beyond, "more seeds" is no advice."""
_SPREADS, _STEPS, _DRAWS = 16, 8, 4000
"""Of the seeds' spread, of the search for d, and of luck; so many draws do for a level of 5 % over 200 comparisons."""


def smallest_found(test: Randomisation, *, level: float = 0.95, power: float = 0.8) -> float:
    """The true difference in F1 that such an evaluation with as many seeds finds with chance `power`; at most 1.

    With one seed it is about two models, and leaves the luck of the seeds out. 0 where nothing varies (the bootstrap's
    blind spot is this one's too), and 1 where there are too few resamples for the level. Raises ValueError for a level
    or a power outside (0, 1).
    """
    return _smallest(_luck_of(test), level, power)


def seeds_to_find(difference: float, test: Randomisation, *, level: float = 0.95, power: float = 0.8) -> int | None:
    """About how many seeds would find a true difference of that size on these documents; None where none can be named.

    The least number with which `smallest_found` is no larger, the variances staying as they were seen. None with one
    seed, of which no spread is known; without any spread; and where `MOST_SEEDS` are too few, be it for the documents'
    sake. Errors as `smallest_found`.
    """
    if test.seed_freedom == 0:
        return None
    luck = _luck_of(test)

    def found(seeds: int) -> bool:
        error = test.seed_error * math.sqrt(test.seeds / seeds)
        freedom = test.seed_freedom * (seeds - 1) / (test.seeds - 1)
        return _smallest(_Luck(luck.documents, luck.balance, error, freedom), level, power) <= abs(difference)

    few, many = 1, MOST_SEEDS  # found with `many`, not with `few`
    if not found(many):
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if found(middle) else (middle, many)
    return many


@dataclass(frozen=True, slots=True, eq=False)
class _Luck:
    """Without a difference: the documents' part as draws, with their `balance`; the seeds' error and its freedom."""

    documents: Array
    balance: Array
    error: float
    freedom: float


def _luck_of(test: Randomisation) -> _Luck:
    """The test's luck if its difference had been 0, from so many of its draws."""
    swapped, balance = test.swapped[:_DRAWS], test.balance[:_DRAWS]
    rest = swapped - test.difference * balance
    seen, left = float(np.mean(swapped**2)), float(np.mean(rest**2))
    unshared = min(1.0, test.unshared * seen / left) if left > 0 else 0.0
    return _Luck(rest * math.sqrt(1 - unshared), balance, test.seed_error, test.seed_freedom)


def _smallest(luck: _Luck, level: float, power: float) -> float:
    if not 0 < power < 1:
        raise ValueError(f"a power of {power}; it must be between 0 and 1, for example 0.8")
    draws, spreads = np.zeros(len(luck.documents)), np.zeros(1)
    if luck.error > 0:
        generator = np.random.default_rng(0)
        draws = luck.error * generator.standard_t(luck.freedom, len(draws))
        squares = np.sort(generator.chisquare(luck.freedom, 50 * _SPREADS))[25::50] / luck.freedom
        spreads = np.sqrt(squares)
    error = math.sqrt(float(np.mean(luck.documents**2)) + luck.error**2)
    if error == 0:
        return 0.0 if math.isfinite(reach_of(draws, level)) else 1.0
    normal = NormalDist()

    def chance(difference: float) -> float:
        documents = luck.documents + difference * luck.balance
        reaches = (reach_of(documents + spread * draws, level) for spread in spreads)
        return sum(normal.cdf((difference - reach) / error) for reach in reaches) / len(spreads)

    low, high = 0.0, min(1.0, error)
    while chance(high) < power:
        if high == 1.0:
            return 1.0
        low, high = high, min(1.0, 2 * high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high
