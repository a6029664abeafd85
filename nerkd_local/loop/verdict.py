"""Whether another round pays.

The **gain** of a round is the mean strict F1 of its students minus that of the round before, on the slice, over the
same training seeds; its interval is that of `stats.bootstrap.f1_difference`: documents resampled, seeds paired. The
slice decides when to stop, so the F1 of the round that a loop ends with is a little optimistic; an F1 to be quoted
needs other sentences.

The **minutes** of a round are the seconds that annotation, cross-fitting and training took, divided by 60 and times
the number of devices: the GPUs that are seen, or, where there is none, the cores. People's time is not counted.

A round whose gain a minute is below `least_gain` ends the loop at once if the upper end of the interval is below it
too. Where the interval holds the threshold, noise may have hidden a gain: it takes `patience` such rounds in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nerkd_local.report.rounds import RoundRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to stop, and why, in a few words."""

    stop: bool
    why: str


def judge(rows: Sequence[RoundRow], *, least_gain: float, patience: int, rounds: int) -> Verdict:
    """What the rounds so far, the first of them round 0, say about another one.

    `least_gain` is in F1 a minute.
    """
    row = rows[-1]
    if row.gain is None:
        return Verdict(False, "the beginning")
    if row.gain[2] < least_gain * row.minutes:
        return Verdict(True, "stop: clearly below the least gain")
    below = 0
    for earlier in reversed(rows):
        if earlier.gain is None or earlier.gain[0] >= least_gain * earlier.minutes:
            break
        below += 1
    if below >= patience:
        return Verdict(True, "stop: below the least gain, though its interval holds it")
    if row.round >= rounds:
        return Verdict(True, "stop: the rounds are over")
    if below:
        return Verdict(False, f"go on: below the least gain {below} of {patience} times in a row, not clearly")
    return Verdict(False, "go on")
