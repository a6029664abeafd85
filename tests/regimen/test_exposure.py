"""Matched regimens show a student the same amount of distilled data, to the last example."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.regimen.allocate import allocate_counts
from nerkd_local.regimen.exposure import mean_share, resolve
from nerkd_local.regimen.schedule import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Power,
    Regimen,
    Schedule,
    Sigmoid,
    Step,
)

SHAPES: list[Schedule] = [
    Step(),
    Step(reverse=True),
    Linear(),
    Cosine(),
    Sigmoid(),
    Exponential(),
    Power(),
    Power(reading="one_minus_power"),
    Constant(share="proportional"),
    Constant(share=0.3),
]


def matched(schedule: Schedule, share: float, steps: int) -> Schedule:
    regimen = Regimen(name="test", schedule=schedule, match_exposure=share)
    return resolve(regimen, 250, 1000, steps).schedule


@pytest.mark.parametrize("schedule", SHAPES, ids=lambda schedule: repr(schedule)[:40])
@given(share=st.floats(0.2, 0.8), steps=st.integers(2, 400), batch_size=st.integers(1, 64))
def test_every_shape_reaches_the_share_to_the_example(
    schedule: Schedule, share: float, steps: int, batch_size: int
) -> None:
    bent = matched(schedule, share, steps)
    assert type(bent) is type(schedule)
    assert mean_share(bent, steps) == pytest.approx(share, abs=1e-9)
    counts = allocate_counts(bent.over(steps), batch_size)
    assert abs(counts.sum() - share * steps * batch_size) <= 1
    realised, planned = np.cumsum(counts), np.cumsum(bent.over(steps) * batch_size)
    assert np.abs(realised - planned).max() <= 0.5 + 1e-6  # within one example at every step


def test_each_shape_is_bent_by_its_own_parameter() -> None:
    # means over [0, 1]: tau; 1 / (p + 1); p / (p + 1); 1/k - 1/(e^k - 1); many steps come close to them
    assert matched(Step(), 0.3, 1000) == Step(tau=0.3)
    assert matched(Step(reverse=True), 0.3, 1000) == Step(tau=0.7, reverse=True)
    assert matched(Power(), 0.2, 20_000).p == pytest.approx(4, rel=1e-3)
    assert matched(Power(reading="one_minus_power"), 0.8, 20_000).p == pytest.approx(4, rel=1e-3)
    assert matched(Exponential(), 1 / 5 - 1 / (np.exp(5) - 1), 20_000).k == pytest.approx(5, rel=1e-3)
    assert matched(Exponential(), 0.7, 100).k < 0
    assert matched(Sigmoid(), 0.5, 100).m == pytest.approx(0.5, abs=1e-9)
    assert matched(Constant(share="proportional"), 0.6, 10) == Constant(share=0.6)


@pytest.mark.parametrize("kind", [Linear, Cosine])
def test_curves_without_a_parameter_move_an_end(kind: type[Linear] | type[Cosine]) -> None:
    assert matched(kind(), 0.5, 10) == kind()
    assert matched(kind(), 0.3, 10) == kind(w0=0.6)
    raised = matched(kind(), 0.7, 10)
    assert (raised.w0, raised.w1) == (1.0, pytest.approx(0.4))


def test_the_step_that_tau_divides_is_divided() -> None:
    assert Step(tau=0.625).over(4).tolist() == [1, 1, 0.5, 0]
    assert Step(tau=0.625, reverse=True).over(4).tolist() == [0, 0, 0.5, 1]
    assert Step(tau=0.5).over(4).tolist() == [1, 1, 0, 0]


def test_a_regimen_that_is_to_be_matched_has_no_shares_yet() -> None:
    with pytest.raises(ValueError, match="resolve"):
        Regimen(name="test", schedule=Linear(), match_exposure=0.5).shares(4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_pure_regimen_is_a_reference(share: float) -> None:
    with pytest.raises(InputError, match="one source alone"):
        matched(Constant(share=share), 0.5, 10)


@pytest.mark.parametrize(
    ("schedule", "share", "says"),
    [
        (Sigmoid(k=1.0), 0.01, "by its m"),
        (Step(w0=0.6, w1=0.2), 0.9, "from 0.200 to 0.600 by its tau"),
        (Power(w0=0.5, w1=0.5), 0.7, "no shape"),
    ],
)
def test_a_share_out_of_reach_is_refused(schedule: Schedule, share: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        matched(schedule, share, 100)
