"""Every shape against values worked out by hand, and against its formula in 60-digit arithmetic."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nerkd_local.errors import InputError
from nerkd_local.regimen.exposure import resolve
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
    progress,
)

T4 = np.array([0.125, 0.375, 0.625, 0.875])

# cos(pi/8) = sqrt(2 + sqrt 2) / 2 and cos(3 pi/8) = sqrt(2 - sqrt 2) / 2
C1, C3 = sqrt(2 + sqrt(2)) / 2, sqrt(2 - sqrt(2)) / 2

TABLES = [
    (Constant(share=0.0), [0, 0, 0, 0]),
    (Constant(share=1.0), [1, 1, 1, 1]),
    (Constant(share=0.3), [0.3, 0.3, 0.3, 0.3]),
    (Step(), [1, 1, 0, 0]),
    (Step(tau=0.375), [1, 0.5, 0, 0]),  # tau in the middle of a step's stretch
    (Step(tau=0.0), [0, 0, 0, 0]),
    (Step(tau=1.0), [1, 1, 1, 1]),
    (Step(reverse=True), [0, 0, 1, 1]),
    (Step(reverse=True, tau=0.7), [0, 0, 0.2, 1]),
    (Step(w0=0.75, w1=0.25), [0.75, 0.75, 0.25, 0.25]),
    (Step(w0=0.75, w1=0.25, reverse=True), [0.25, 0.25, 0.75, 0.75]),
    (Linear(), [0.875, 0.625, 0.375, 0.125]),
    (Linear(w0=0.8, w1=0.2), [0.725, 0.575, 0.425, 0.275]),
    (Linear(w0=0.0, w1=1.0), [0.125, 0.375, 0.625, 0.875]),
    (Cosine(), [(1 + C1) / 2, (1 + C3) / 2, (1 - C3) / 2, (1 - C1) / 2]),
    # exp(-kt) = 2^(-8t): 1/2, 1/8, 1/32, 1/128, and exp(-k) = 1/256
    (Exponential(k=8 * log(2)), [Fraction(127, 255), Fraction(31, 255), Fraction(7, 255), Fraction(1, 255)]),
    (Exponential(k=0.0), [0.875, 0.625, 0.375, 0.125]),
    # s(n ln 3) = 3^n / (3^n + 1): 27/28, 3/4, 1/4, 1/28 at the steps, 81/82 and 1/82 at the ends
    (
        Sigmoid(k=8 * log(3), m=0.5),
        [Fraction(1093, 1120), Fraction(121, 160), Fraction(39, 160), Fraction(27, 1120)],
    ),
    # s(n ln 2): 2/3, 1/3, 1/9, 1/33 at the steps, 4/5 and 1/65 at the ends
    (
        Sigmoid(k=8 * log(2), m=0.25),
        [Fraction(127, 153), Fraction(62, 153), Fraction(56, 459), Fraction(32, 1683)],
    ),
    (Sigmoid(k=0.0, m=0.5), [0.875, 0.625, 0.375, 0.125]),
    (Power(p=2.0), [Fraction(49, 64), Fraction(25, 64), Fraction(9, 64), Fraction(1, 64)]),
    (
        Power(p=2.0, reading="one_minus_power"),
        [Fraction(63, 64), Fraction(55, 64), Fraction(39, 64), Fraction(15, 64)],
    ),
    (Power(p=1.0), [0.875, 0.625, 0.375, 0.125]),
    (Power(p=1.0, reading="one_minus_power"), [0.875, 0.625, 0.375, 0.125]),
]


def regimen(schedule: Schedule) -> Regimen:
    return Regimen(name="test", schedule=schedule)


@pytest.mark.parametrize(("schedule", "expected"), TABLES, ids=lambda value: repr(value)[:60])
def test_share_of_four_steps_equals_the_hand_derived_table(schedule, expected):
    share = regimen(schedule).shares(4)
    assert share.shape == (4,)
    assert share.dtype == np.float64
    np.testing.assert_allclose(share, [float(value) for value in expected], rtol=1e-14, atol=1e-15)


def test_progress_stands_in_the_middle_of_each_step():
    assert progress(4).tolist() == T4.tolist()
    assert progress(1).tolist() == [0.5]


moving = st.one_of(
    st.just(Linear()),
    st.just(Cosine()),
    st.builds(Exponential, k=st.floats(0, 1e6)),
    st.builds(Sigmoid, k=st.floats(0, 1e6), m=st.floats(0, 1)),
    st.builds(Power, p=st.floats(0.01, 100), reading=st.sampled_from(["one_minus_t", "one_minus_power"])),
)


@given(moving)
def test_every_decay_runs_from_one_to_zero_and_never_rises(schedule):
    g = schedule.g(np.linspace(0, 1, 101))
    assert g[0] == pytest.approx(1, abs=1e-12)
    assert g[-1] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(g) <= 1e-12)


@given(moving, st.floats(0, 1), st.floats(0, 1))
def test_share_stays_between_its_two_ends(schedule, w0, w1):
    share = schedule.model_copy(update={"w0": w0, "w1": w1}).at(np.linspace(0, 1, 101))
    assert np.all(np.isfinite(share))
    assert np.all((share >= min(w0, w1) - 1e-12) & (share <= max(w0, w1) + 1e-12))
    assert np.all((share >= 0) & (share <= 1))


def exact_exponential(k: float, t: float) -> Decimal:
    with localcontext(prec=60):
        decay, end = (-Decimal(k) * Decimal(t)).exp(), (-Decimal(k)).exp()
        return (decay - end) / (1 - end)


def exact_sigmoid(k: float, m: float, t: float) -> Decimal:
    with localcontext(prec=60):

        def s(x: Decimal) -> Decimal:
            return 1 / (1 + (-x).exp())

        kd, md, td = Decimal(k), Decimal(m), Decimal(t)
        end = s(kd * (md - 1))
        return (s(kd * (md - td)) - end) / (s(kd * md) - end)


@given(st.floats(1e-9, 600), st.floats(0, 1))
def test_exponential_equals_its_formula_in_exact_arithmetic(k, t):
    assert Exponential(k=k).g(np.array([t]))[0] == pytest.approx(float(exact_exponential(k, t)), rel=1e-9, abs=1e-15)


@given(st.floats(1e-9, 600), st.floats(0, 1), st.floats(0, 1))
def test_sigmoid_equals_its_formula_in_exact_arithmetic(k, m, t):
    assert Sigmoid(k=k, m=m).g(np.array([t]))[0] == pytest.approx(float(exact_sigmoid(k, m, t)), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("k", [0.0, 5e-324, 1e-300, 1e-13, 1e-9])
def test_a_vanishing_steepness_is_linear(k):
    np.testing.assert_allclose(Exponential(k=k).g(T4), 1 - T4, rtol=1e-8)
    np.testing.assert_allclose(Sigmoid(k=k, m=0.3).g(T4), 1 - T4, rtol=1e-8)


@pytest.mark.parametrize("k", [1e4, 1e9, 1e300])
def test_a_huge_steepness_is_a_step_without_overflow(k):
    np.testing.assert_allclose(Exponential(k=k).g(T4), [0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(Sigmoid(k=k, m=0.5).g(T4), Step(tau=0.5).g(T4), atol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "mean"),
    [
        (Linear(), 1 / 2),
        (Cosine(), 1 / 2),
        (Sigmoid(k=10, m=0.5), 1 / 2),
        (Power(p=2), 1 / 3),
        (Power(p=2, reading="one_minus_power"), 2 / 3),
        (Exponential(k=5), 1 / 5 - 1 / (np.exp(5) - 1)),
        (Step(tau=0.25), 1 / 4),
        (Step(tau=0.25, reverse=True), 3 / 4),
    ],
    ids=repr,
)
def test_mean_share_over_a_long_run_is_the_integral(schedule, mean):
    assert schedule.over(10_000).mean() == pytest.approx(mean, abs=1e-6)


def test_a_proportional_share_is_resolved_from_the_sizes():
    mixed = regimen(Constant(share="proportional"))
    resolved = resolve(mixed, 100, 300, 4)
    assert resolved == regimen(Constant(share=0.75))
    assert resolved.shares(4).tolist() == [0.75] * 4
    assert resolve(mixed, 0, 300, 4).shares(4).tolist() == [1.0] * 4
    assert resolve(regimen(Linear()), 0, 0, 4) == regimen(Linear())


def test_a_proportional_share_must_be_resolved_before_use():
    with pytest.raises(ValueError, match=r"call exposure\.resolve first"):
        regimen(Constant(share="proportional")).shares(4)


def test_a_proportional_share_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"'test' needs labelled sentences"):
        resolve(regimen(Constant(share="proportional")), 0, 0, 4)


@pytest.mark.parametrize(
    "schedule",
    [
        {"shape": "zigzag"},
        {},
        {"shape": "constant"},
        {"shape": "constant", "share": 1.01},
        {"shape": "constant", "share": "half"},
        {"shape": "constant", "share": float("nan")},
        {"shape": "linear", "tau": 0.5},
        {"shape": "linear", "w0": -0.1},
        {"shape": "step", "tau": 1.5},
        {"shape": "exponential", "k": -701},
        {"shape": "exponential", "k": float("inf")},
        {"shape": "sigmoid", "m": 1.5},
        {"shape": "power", "p": 0},
        {"shape": "power", "reading": "other"},
    ],
    ids=str,
)
def test_settings_without_a_meaning_are_refused(schedule):
    with pytest.raises(ValidationError):
        Regimen.model_validate({"name": "test", "schedule": schedule})


@given(moving)
def test_settings_survive_json(schedule):
    assert Regimen.model_validate_json(regimen(schedule).model_dump_json()) == regimen(schedule)
