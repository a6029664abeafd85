"""Holm's step-down correction: of several tests, none may reject falsely with more than the stated chance.

Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979. Of m
tests with ordered p-values p(1) <= ... <= p(m), the adjusted value of the i-th is

    max over j <= i of min(1, (m - j + 1) * p(j)),

and rejecting where it is at most alpha makes a false rejection with chance alpha at most, whichever of the hypotheses
are true and however the tests depend on each other. Never less powerful than Bonferroni's m * p.

What it assumes: each p is valid by itself, and all tests that were made are in the family, also those that nobody wants
to quote. Two names for one test are one test.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The adjusted p-values, in the order given; none for none. At least as large as the raw ones, in the same order.

    Raises ValueError for a p outside [0, 1] (NaN too).
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value of {p}; it must be between 0 and 1")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)
