"""What the numbers of a comparison allow to be said, in words.

A difference is called one only where three things agree: Holm's adjusted p of the test over documents and seeds is at
most 1 - level, the bootstrap interval leaves out 0, and there is more than one seed. Otherwise the difference may
still be there, and the words say what is known: how large it could be, or that seeds are what is missing.

The leader of several systems is the one with the highest score, so it is chosen by the very numbers that it is then
judged by, and tests against it as if it had been named beforehand reject too often. What holds nevertheless is a
confidence set of the best (Gupta, Technometrics 7, 1965; Hsu, Annals of Statistics 9, 1981): the true best is left out
of the set only if a worse one beat it in a one-sided test, and it has m - 1 such rivals, whichever of them comes out
ahead. So a system is **ruled out** as the best where (m - 1) times the one-sided p of the leader's difference to it is
at most 1 - level (the test's luck is as likely to either side, so that p is half the two-sided one). With chance
`level` the best is not among those ruled out, however many are; of several that are equally good this holds for each,
and of several sizes for each. That takes m - 1 tests; Holm over all pairs takes m (m - 1) / 2 and answers more than was
asked. Ruled out is not "worse than this leader": where two lead, neither is shown to be ahead of the rest by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nerkd_local.stats.bootstrap import Interval
from nerkd_local.stats.comparison import Comparison

Kind = Literal["better", "worse", "too few seeds", "not told apart"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`words` say it for a table cell that stands beside the difference and its interval."""

    kind: Kind
    words: str


def judge(comparison: Comparison) -> Verdict:
    """What may be said of the first system against the second, in the family that `adjusted` was made for."""
    f1, seeds, threshold = comparison.f1, comparison.seeds, 1 - comparison.level
    if seeds == 1:
        return Verdict("too few seeds", "not enough seeds: one compares two models, not two regimens")
    if comparison.adjusted <= threshold and f1.low > 0:
        return Verdict("better", "better")
    if comparison.adjusted <= threshold and f1.high < 0:
        return Verdict("worse", "worse")
    needed = comparison.seeds_needed
    if comparison.adjusted_models <= threshold and needed is not None and needed > seeds:
        return Verdict("too few seeds", f"not enough seeds: about {needed} would find such a difference, if it is real")
    return Verdict("not told apart", f"no difference larger than {comparison.largest:.3f} is supported")


def is_ruled_out(lead: Interval, p: float, *, seeds: int, rivals: int, level: float) -> bool:
    """Whether a system cannot be the best of `rivals` + 1, by the leader's difference to it.

    `lead` is that difference with its bootstrap interval, `p` the two-sided p of the test over documents and seeds.
    """
    return seeds > 1 and lead.low > 0 and rivals * p / 2 <= 1 - level
