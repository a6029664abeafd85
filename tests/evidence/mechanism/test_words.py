"""Words for a contrast: no more than its corrected p allows."""

from __future__ import annotations

import pytest

from nerkd_local.evidence.mechanism.words import verdict
from nerkd_local.stats.bootstrap import Interval
from nerkd_local.stats.contrasts import Answer, Contrast


@pytest.mark.parametrize(
    ("mean", "low", "high", "p", "said"),
    [
        (0.02, 0.01, 0.03, 0.01, "are better than first: +0.020 (+0.010 to +0.030), corrected p 0.010."),
        (-0.02, -0.03, -0.01, 0.05, "are worse than first: -0.020 (-0.030 to -0.010), corrected p 0.050."),
        (
            # an interval without 0, and a p that does not survive: no difference is claimed
            *(0.02, 0.01, 0.03, 0.051),
            "cannot be told apart from first: +0.020 (+0.010 to +0.030), corrected p 0.051; none larger than 0.030 is "
            "supported.",
        ),
        (
            *(-0.001, -0.04, 0.03, 1.0),
            "cannot be told apart from first: -0.001 (-0.040 to +0.030), corrected p 1.000; none larger than 0.040 is "
            "supported.",
        ),
    ],
)
def test_better_takes_a_corrected_p(mean: float, low: float, high: float, p: float, said: str) -> None:
    answer = Answer(Contrast("order", {"a": 1.0, "b": -1.0}), Interval(mean, low, high), 0.0001)
    assert verdict(answer, p, "first") == said
