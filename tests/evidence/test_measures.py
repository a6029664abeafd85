from __future__ import annotations

import pytest

from nerkd_local.evidence.costs import Price
from nerkd_local.evidence.measures import MEASURES, duration, energy_text


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (0.0123, "0.0123 s"), (5.084, "5.08 s"), (75, "1.25 min"), (3600, "1.00 h"), (5e6, "1,389 h")],
)
def test_durations_have_three_digits(seconds: float, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(("joules", "written"), [(0.54, "0.540 J"), (7200, "2.00 Wh"), (9e6, "2.50 kWh")])
def test_energy_has_three_digits(joules: float, written: str) -> None:
    assert energy_text(joules) == written


def test_every_measure_reads_its_own_part_of_a_price() -> None:
    price = Price("a", False, 10, 1500.4, 200.0, 90.0, 0.5, 0.25, 7.0)
    assert {measure.name: measure.write(measure.of(price) or 0) for measure in MEASURES} == {
        "annotator's time": "1.50 min",
        "GPU-hours": "0.500",
        "CPU core-hours": "0.250",
        "prompt tokens": "1,500",
        "output tokens": "200",
        "energy": "7.00 J",
    }
    assert all(measure.of(Price("b", True, 10)) is None for measure in MEASURES)
