"""Is a difference in F1 more than luck? Approximate randomisation over documents, with the luck of the seeds.

What varies. Two regimens trained with k seeds each are tested on the same documents. Their difference in F1 has two
sources of luck: which documents were tested, and which seeds trained. Swapping the two systems' answers document by
document (Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989; Yeh, C00-2137) knows the first alone: it asks
whether *these trained models* differ. Runs of one and the same regimen with other seeds are different models, and on an
evaluation set as large as CoNLL-2003's dev that test calls them so in 40 of 100 cases. And flipping the signs of k
seeds' differences can give no p under 2^(1 - k): never 5 % with five seeds.

The test. Under the null hypothesis that the regimens have the same F1 over documents and seeds, the difference is
drawn as

    documents + seeds,
    documents: the mean over the seeds of the F1 difference after swapping each document's answers, jointly in all
        seeds, with chance 1/2; times sqrt(1 - r), r = MS(document x seed) / MS(document), at most 1,
    seeds: the standard error of the difference between the seeds' means, sqrt((s_a^2 + s_b^2) / k), times a draw of
        Student's t with Welch's degrees of freedom (Biometrika 34, 1947),

and p = (1 + draws at least as far from 0 as the difference) / (1 + draws) (Phipson and Smyth, Statistical Applications
in Genetics and Molecular Biology 9, 2010). The mean squares are those of the two-way table of documents and paired
seeds of what each document adds to the difference (its influence, the delta method). r is the share of the documents'
part that belongs to single seeds in single documents; the spread between seeds has that already, and without the
factor it counted twice. Adding the two parts is the Behrens-Fisher solution, which errs to the safe side (Robinson,
Annals of Statistics 4, 1976): a t with few degrees of freedom has long tails, and so has the price of few seeds.

With one seed there is only the documents' part, and the answer is about these two models, not about two regimens.

Why not something else (rejections at 5 %, 400 to 600 simulated evaluations a cell, so within .02 near .05 and within
.05 near .4; `simulation` says of what; all cells of the test that was chosen are in docs/results/statistics/):

| test | same regimen, 216 documents, k = 2, 3, 5, 10 | worst of all cells | finds .03: 216, k = 3 |
|---|---|---|---|
| documents swapped, over all seeds jointly | .41, .43, .42, .41 | .50 | 1.00 |
| swapped by documents x seeds crosswise | .40, .43, .41, .40 | .46 | 1.00 |
| bootstrap of documents and seeds (pigeonhole), inverted | .17, .10, .06, .05 | .23 | .97 |
| paired t between seeds | .05, .04, .05, .05 | .58 | .68 |
| two-way variance components, Satterthwaite's t | .03, .04, .03, .05 | .09 | .83 |
| both the swap and the paired t | .03, .03, .05, .05 | .08 | .68 |
| documents + paired t (k - 1), r = 0 | .02, .03, .03, .03 | .05 | .65 |
| documents + Welch's t, r = 0 | .01, .02, .01, .03 | .05 | .77 |
| **documents + Welch's t** | .03, .04, .05, .05 | .07 | .80 |

The worst cells are those without luck of the seeds, where the regimens differ in single documents, and those where one
system's seeds spread four times as much as the other's. Of the 32 cells of the full table this test is above 5 % beyond
chance in one: .073 (.054 to .097) with three seeds of such unequal spread. A t with pooled variance finds more with two
and three seeds (.89), and errs the more the spreads differ. All systems of a run pooled would find still more, on the
word that their seeds spread alike, which nobody can check with five.

What it assumes, and where it ends:
- Documents are exchangeable and independent; below some 10 the swaps have few values: with n documents no p of their
  part is under 2^(1 - n).
- The seeds' F1 are about normal, and seeds of the two systems are independent. Where both share what a seed is (the
  order of the examples), their luck is correlated, mostly a little (.1 to .2 here), and the test errs to the safe
  side.
- The spread between two seeds is all but unknown: t has then between 1 and 2 degrees of freedom, and only differences
  of five points are found. That is not the test's fault.
- Seeds that all have the same F1 show no spread: the seeds' part is 0, and r is taken as 0, for what belongs to single
  seeds would be in neither part. As with one seed, p is about these models then.
- Systems with the same counts differ by 0, and p is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nerkd_local.stats.bootstrap import Array, Counts, Groups, Interval, check_counts, micro_f1, sum_by_document

RESAMPLES = 10_000
"""The least p is 1 in 10,001: enough for a level of 5 % over some hundred comparisons."""
_CELLS = 1_000_000
"""Swaps, or counts after them, held at a time (8 MB)."""
_SLACK = 1e-12
"""Swapping all documents gives the difference itself, but for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Randomisation:
    """The difference in mean F1, and what luck makes of no difference; see the module."""

    difference: float
    seeds: int
    swapped: Array
    """The difference after swapping documents at random. Shape: (resamples,)."""
    balance: Array
    """What share of a difference that lies in all documents, by their size, those swaps leave. Shape: (resamples,)."""
    unshared: float
    """r: the share of the swaps' variance that belongs to single seeds in single documents; 0 with one seed, and where
    the seeds have no spread, which has nothing of it then."""
    seed_error: float
    """The standard error of the difference between the seeds' means; 0 with one seed."""
    seed_freedom: float
    """Welch's degrees of freedom of that; 0 with one seed, and where the seeds have no spread."""
    seed_luck: Array
    """Draws of Student's t times the standard error. Shape: (resamples,)."""

    @property
    def documents(self) -> Array:
        """The documents' part of luck."""
        return self.swapped * math.sqrt(1 - self.unshared)

    @property
    def chance(self) -> Array:
        """Differences as luck alone makes them. Shape: (resamples,)."""
        return self.documents + self.seed_luck

    @property
    def p(self) -> float:
        """Two-sided: how often luck goes at least as far. With one seed about these two models alone."""
        return p_value(self.chance, self.difference)

    @property
    def p_models(self) -> float:
        """The same of swapping documents alone: whether these trained models differ, whatever luck their seeds had."""
        return p_value(self.swapped, self.difference)

    @property
    def standard_error(self) -> float:
        """Of the difference, over documents and seeds, if the regimens have the same F1."""
        return math.sqrt(float(np.mean(self.documents**2)) + self.seed_error**2)

    def reach(self, level: float) -> float:
        """How far luck alone goes with chance `level`: a difference has p <= 1 - level if it goes further.

        Infinite where there are too few resamples to tell. Raises ValueError for a level outside (0, 1).
        """
        return reach_of(self.chance, level)

    def interval(self, level: float = 0.95) -> Interval:
        """The differences that the data support: those from which this one is no further than luck reaches."""
        reach = self.reach(level)
        return Interval(self.difference, self.difference - reach, self.difference + reach)


def randomise(
    counts_a: Counts, counts_b: Counts, *, groups: Groups | None = None, resamples: int = RESAMPLES, seed: int
) -> Randomisation:
    """Test the mean F1 of a against that of b on the same sentences, over as many seeds.

    Shapes: (seeds, N, 3), row j the same sentence in both, and (N,) for `groups`, as in `bootstrap.f1_difference`; row
    i of both is taken for one training seed. All randomness comes from `seed`, which swaps the same documents in every
    comparison. Memory is bounded; 5 + 5 seeds take about 50 ms for 216 documents, and half a second for 3,250.

    Raises ValueError for tables that are no counts or do not fit together, and fewer than one resample.
    """
    check_counts(counts_a)
    check_counts(counts_b)
    if counts_a.shape != counts_b.shape:
        raise ValueError(
            f"counts have the shapes {counts_a.shape} and {counts_b.shape}; give both the same sentences and as many "
            "seeds"
        )
    if resamples < 1:
        raise ValueError(f"{resamples} resamples; at least 1 is needed")
    swaps, luck = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    seeds = len(counts_a)
    a, b = (sum_by_document([table], groups).reshape(-1, seeds, 3) for table in (counts_a, counts_b))
    f1_a, f1_b = micro_f1(a.sum(axis=0)), micro_f1(b.sum(axis=0))
    error, freedom = _welch(f1_a, f1_b)
    swapped, balance = _swap(a, b, resamples, swaps)
    return Randomisation(
        difference=float(f1_a.mean() - f1_b.mean()),
        seeds=seeds,
        swapped=swapped,
        balance=balance,
        unshared=unshared_part(influence(a) - influence(b)) if error > 0 else 0.0,
        seed_error=error,
        seed_freedom=freedom,
        seed_luck=error * luck.standard_t(freedom, resamples) if error > 0 else np.zeros(resamples),
    )


def influence(counts: Array) -> Array:
    """What each document adds to F1, to first order: the sum over the documents is the F1 of all. Shape: (seeds,
    documents).

    Of F1 = 2C / (P + G) with documents of c, p and g: (2c - F1 (p + g)) / (P + G), moved by a constant. Shape of
    `counts`: (documents, seeds, 3). All 0 where there is nothing to find and nothing was found.
    """
    totals = counts.sum(axis=0)
    f1, entities = micro_f1(totals), np.maximum(totals[:, 1] + totals[:, 2], 1)
    added: Array = (2 * counts[..., 0] - f1 * (counts[..., 1] + counts[..., 2])) / entities + f1 / len(counts)
    return added.T


def _swap(a: Array, b: Array, resamples: int, draws: np.random.Generator) -> tuple[Array, Array]:
    """The mean difference in F1 after swapping each document with chance 1/2, in all seeds at once; and the share of
    the entities, predicted and gold, in documents that stayed minus that in those that were swapped."""
    documents = len(a)
    to_a = (b - a).reshape(documents, -1)
    total_a, total_b = a.sum(axis=0), b.sum(axis=0)
    at_once = max(1, _CELLS // max(documents, to_a.shape[1]))
    entities = (a + b)[..., 1:].sum(axis=(1, 2))
    shares = entities / max(float(entities.sum()), 1.0)
    pieces, balances = [], []
    for begin in range(0, resamples, at_once):
        count = min(at_once, resamples - begin)
        swapped = draws.integers(2, size=(count, documents), dtype=np.uint8).astype(np.float64)
        moved = (swapped @ to_a).reshape(count, -1, 3)
        pieces.append((micro_f1(total_a + moved) - micro_f1(total_b - moved)).mean(axis=1))
        balances.append((1.0 - 2.0 * swapped) @ shares)
    return np.concatenate(pieces), np.concatenate(balances)


def unshared_part(added: Array) -> float:
    """MS(document x seed) / MS(document) of a two-way table, within [0, 1]; 0 with one seed or one document."""
    seeds, documents = added.shape
    if min(seeds, documents) < 2:
        return 0.0
    of_documents = added.mean(axis=0)
    rest = added - of_documents - added.mean(axis=1, keepdims=True) + added.mean()
    of_both = float((rest**2).sum()) / ((seeds - 1) * (documents - 1))
    between = seeds * float(of_documents.var(ddof=1))
    return min(1.0, of_both / between) if between > 0 else 0.0


def _welch(a: Array, b: Array) -> tuple[float, float]:
    """The standard error of mean(a) - mean(b), and its degrees of freedom; (0, 0) without any spread."""
    if len(a) < 2:
        return 0.0, 0.0
    of_a, of_b = variance_of_mean(a), variance_of_mean(b)
    if of_a + of_b == 0:
        return 0.0, 0.0
    freedom = (of_a + of_b) ** 2 / ((of_a**2 + of_b**2) / (len(a) - 1))
    return math.sqrt(of_a + of_b), freedom


def variance_of_mean(values: Array) -> float:
    """The squared standard error of the mean of at least two values; exactly 0 where they are equal."""
    return float(values.var(ddof=1)) / len(values) if np.ptp(values) > 0 else 0.0


def p_value(chance: Array, difference: float) -> float:
    """(1 + draws at least as far from 0 as the difference) / (1 + draws)."""
    as_far = int(np.count_nonzero(np.abs(chance) >= abs(difference) - _SLACK))
    return (1 + as_far) / (1 + len(chance))


def reach_of(chance: Array, level: float) -> float:
    """The distance from 0 beyond which `p_value` is at most 1 - level; see `Randomisation.reach`."""
    if not 0 < level < 1:
        raise ValueError(f"a level of {level}; it must be between 0 and 1, for example 0.95")
    # as many draws may go as far as a difference whose p is to be at most 1 - level
    allowed = math.floor((1 - level) * (1 + len(chance)) + _SLACK) - 1
    if allowed < 0:
        return math.inf
    rank = len(chance) - 1 - allowed
    return float(np.partition(np.abs(chance), rank)[rank])
