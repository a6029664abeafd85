"""How small a difference in F1 a set of labelled sentences can show, before any label is bought.

Derivation. F1 = 2C / (P + G) for correct, predicted and gold entities. To first order (the delta method), with
P = G = E entities, the difference of two systems of equal F1 on the same sentences is

    F1_a - F1_b = sum over entities of x / E,   x = (right in a) - (right in b),

where a wrong entity is one given another type or border, so that nothing else about it changes. (An entity left
out, or one invented, moves F1 by less: the variance of x is then down to 1 - F1 + F1^2 / 2 of this, .52 at .8.)
If rightness in a and in b has the correlation `correlation`, then

    disagreement = Var(x) = 2 * F1 * (1 - F1) * (1 - correlation).

A part `shared` of it is there whatever the seed: what the two regimens do differently. It comes in clusters, for
labels that differ in their rules differ in all lines of a table: with the correlation rho between entities of
one document and E_d entities in document d, its variance grows by 1 + rho * (A - 1), A = sum(E_d^2) / E (Kish's
design effect, Survey Sampling, 1965). The rest belongs to single seeds, and k of them average it to 1 / k. The
bootstrap of `bootstrap`, which decides in the end, sees 3 - 2 / k times that, because it draws documents and
seeds crosswise (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007). Last, seeds move F1 itself,
by `seed_sd`, whatever the number of sentences. Together

    SE^2 = disagreement / E * (shared * (1 + rho * (A - 1)) + (1 - shared) * (3 - 2 / k) / k) + 2 * seed_sd^2 / k,

and a test at `level` finds a true difference with chance `power` if it is (z((1 + level) / 2) + z(power)) * SE
(normal approximation; the other side's tail is neglected).

Where the constants come from: 27 comparisons to original_only, CoNLL-2003 dev (216 documents, 5,942 entities), a
6-layer student, 100 and 250 human-labelled and 1,000 to 2,000 distilled sentences. The prediction's ratio to the
bootstrap's standard error, on random subsets of 250 and 500 sentences: .97 to 1.04 on average (geometric, kinds of
run weighted equally), for one and two seeds; for a kind of run .80 to 1.27, for a single comparison .66 to 1.58. With
a third seed, not used for the constants: .83 to .94 (100 human-labelled sentences; .97 to 1.03 with their own
`seed_sd`) and 1.25 to 1.31 (250) over documents. More seeds are not tried. The more two systems differ, the more the
difference sits in some documents (rho from .01 where F1 differs by less than .02 to .1 at .05), and nobody knows
this before annotating; the constants are for differences that a few hundred labels can show. On all 3,250 sentences
with two seeds the seeds' luck decides: .47 to 2.05.
So take the result as a size, not as a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from nerkd_local.stats.bootstrap import Groups, number_documents

CORRELATION = 0.68
"""Of two regimens' rightness on an entity: median of the comparisons, quartiles .61 and .74."""
SEED_SD = 0.006
"""Of F1 between seeds beyond chance: .006 with 250 human-labelled sentences, .015 with 100."""
_SHARED = 0.4
"""Share of the disagreement that all seeds have in common: .1 to .5, the more the regimens differ."""
_RHO = 0.06
"""Correlation between the shared disagreements within a document."""


def smallest_difference(
    gold_per_sentence: npt.NDArray[np.integer],
    *,
    groups: Groups | None = None,
    f1: float = 0.8,
    correlation: float = CORRELATION,
    seeds: int = 5,
    seed_sd: float = SEED_SD,
    level: float = 0.95,
    power: float = 0.8,
) -> float:
    """The true difference in F1 that a paired comparison at `level` finds with chance `power`.

    `gold_per_sentence`: the entities of each labelled sentence, shape (N,); `groups`: its document, as in
    `bootstrap.f1_interval`; None: each sentence is a document of its own. `f1` is about what both systems are
    expected to reach, `correlation` that of their rightness on an entity, `seed_sd` the standard deviation of F1
    between seeds. Scoring by folds counts as one pass over all N sentences. See the module for the formula, its
    assumptions and how well it predicts.

    Infinite without entities. With few documents (below some 10) the normal approximation is a guess. Raises
    ValueError for a table without sentences or with negative counts, and parameters outside their range.
    """
    return _prepare(gold_per_sentence, groups, f1, correlation, seeds, seed_sd, level, power).smallest(1.0)


def describe_smallest_difference(
    gold_per_sentence: npt.NDArray[np.integer],
    *,
    groups: Groups | None = None,
    f1: float = 0.8,
    correlation: float = CORRELATION,
    seeds: int = 5,
    seed_sd: float = SEED_SD,
    level: float = 0.95,
    power: float = 0.8,
    target: float = 0.02,
) -> str:
    """`smallest_difference` as a line to print, with the number of sentences like these that would show `target`.

    That number is left out where these sentences already do. Where all that is left to gain, 1 - f1, is too little to
    be seen, the line says that nothing can be shown. Parameters and errors as there.
    """
    of = _prepare(gold_per_sentence, groups, f1, correlation, seeds, seed_sd, level, power)
    sentences = len(gold_per_sentence)
    documents = f" from {_count(of.documents, 'document')}" if groups is not None else ""
    beginning = (
        f"{_count(sentences, 'labelled sentence')}{documents} with {_count(of.entities, 'entity', 'entities')}, "
        f"{_count(seeds, 'seed')}: "
    )
    smallest = of.smallest(1.0)
    if smallest >= 1 - f1:
        return f"{beginning}no improvement in F1 can be told from chance; label more sentences from more documents"
    line = (
        f"{beginning}differences in F1 under about {smallest:.3f} cannot be told from chance "
        f"({level:.0%}, power {power:.0%}, F1 around {f1:.2f})"
    )
    if smallest <= target:
        return line
    times = of.times_for(target)
    if math.isinf(times):
        return f"{line}; to show {target:.3f} takes at least {of.seeds_for(target):,} seeds"
    return f"{line}; to show {target:.3f} takes about {_two_digits(sentences * times):,} sentences"


@dataclass(frozen=True, slots=True)
class _Comparison:
    entities: int
    documents: int
    of_sentences: float
    """Variance that falls with the number of documents."""
    of_seeds: float
    """Variance that does not, of one seed; k of them have a k-th."""
    seeds: int
    quantiles: float

    def smallest(self, times: float) -> float:
        """With that many times the sentences."""
        return self.quantiles * math.sqrt(self.of_sentences / times + self.of_seeds / self.seeds)

    def times_for(self, target: float) -> float:
        """How many times the sentences show `target`; infinite where the seeds alone hide it."""
        room = (target / self.quantiles) ** 2 - self.of_seeds / self.seeds
        return self.of_sentences / room if room > 0 else math.inf

    def seeds_for(self, target: float) -> int:
        """The least number with which enough sentences show `target`."""
        return math.floor(self.of_seeds / (target / self.quantiles) ** 2) + 1


def _prepare(
    gold: npt.NDArray[np.integer],
    groups: Groups | None,
    f1: float,
    correlation: float,
    seeds: int,
    seed_sd: float,
    level: float,
    power: float,
) -> _Comparison:
    if gold.ndim != 1 or len(gold) == 0 or int(gold.min()) < 0:
        raise ValueError(f"entities a sentence have the shape {gold.shape}; (sentences,), at least one, none negative")
    for name, value in (("f1", f1), ("correlation", correlation), ("level", level), ("power", power)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}; it must be between 0 and 1")
    if power <= (1 - level) / 2:
        raise ValueError(f"power is {power}; chance alone finds a difference as often at the level {level}")
    if seeds < 1 or seed_sd < 0:
        raise ValueError(f"{seeds} seeds with a standard deviation of {seed_sd}; at least 1 and 0 are needed")
    number = number_documents(groups, len(gold))
    by_document = np.bincount(number, weights=gold)
    entities = by_document.sum()
    variance = math.inf
    if entities > 0:
        clustering = float((by_document**2).sum() / entities)
        disagreement = 2 * f1 * (1 - f1) * (1 - correlation)
        of_regimens = _SHARED * (1 + _RHO * (clustering - 1))
        of_single_seeds = (1 - _SHARED) * (3 - 2 / seeds) / seeds
        variance = disagreement / float(entities) * (of_regimens + of_single_seeds)
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    return _Comparison(int(entities), len(by_document), variance, 2 * seed_sd**2, seeds, quantiles)


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _two_digits(number: float) -> int:
    """Rounded up: a third digit would claim what the formula does not know."""
    step = int(10 ** max(0, math.floor(math.log10(number)) - 1))
    return math.ceil(number / step) * step
