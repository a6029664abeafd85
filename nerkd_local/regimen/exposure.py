"""How much distilled data a regimen shows in all, and bending a schedule until that is a given amount.

Two regimens with different mean shares differ in exposure as well as in shape, and a comparison of the two cannot say
which of them mattered. Matched regimens have the same mean share W = (sum of w over the steps) / S.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from nerkd_local.errors import InputError
from nerkd_local.regimen.schedule import (
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    Fixed,
    Linear,
    Power,
    Regimen,
    Schedule,
    Sigmoid,
    Step,
)

_STEEPEST = 500.0
_LARGEST_POWER = 500.0
_TOLERANCE = 1e-12


def mean_share(schedule: Schedule, steps: int) -> float:
    """W, the mean of the distilled share over the steps."""
    return float(schedule.over(steps).mean())


def resolve(regimen: Regimen, originals: int, distilled: int, steps: int) -> Regimen:
    """The regimen with everything that depends on the sources' sizes and the number of steps written out.

    A proportional share becomes the number N_distilled / (N_distilled + N_original). Where `match_exposure` asks for a
    mean share W, the schedule is replaced by the one of its kind with that mean over `steps` steps, to within 1e-9:

    step            tau
    sigmoid         m
    power           p
    exponential     k (below 0 for a W above 1/2)
    linear, cosine  their end points, having no parameter: the later one stays where W allows it, else the earlier
    constant        W itself
    adaptive        its prior, so: evidence may take the mean below W

    Raises InputError for a proportional share of two empty sources, for a regimen that reads one source alone, and for
    a W that the parameter cannot reach.
    """
    schedule = regimen.schedule
    if isinstance(schedule, Adaptive):
        prior = resolve(regimen.model_copy(update={"schedule": schedule.prior}), originals, distilled, steps).schedule
        return regimen.model_copy(
            update={"schedule": schedule.model_copy(update={"prior": prior}), "match_exposure": None}
        )
    if isinstance(schedule, Constant) and schedule.share == "proportional":
        if originals + distilled == 0:
            raise InputError(f"regimen {regimen.name!r} needs labelled sentences, and both sources are empty")
        schedule = Constant(share=distilled / (originals + distilled))
    if regimen.match_exposure is not None:
        if len(regimen.sources) < 2:
            raise InputError(
                f"regimen {regimen.name!r} reads one source alone, so its exposure cannot be matched to "
                f"{regimen.match_exposure:g}; it is the reference that matched regimens are compared with"
            )
        schedule = _matched(regimen.name, schedule, regimen.match_exposure, steps)
    return regimen.model_copy(update={"schedule": schedule, "match_exposure": None})


def _matched(name: str, schedule: Fixed, wanted: float, steps: int) -> Fixed:
    if isinstance(schedule, Constant):
        return Constant(share=wanted)
    if isinstance(schedule, Linear | Cosine):
        return _between_other_ends(schedule, wanted)
    if schedule.w0 == schedule.w1:
        raise InputError(f"regimen {name!r} goes from {schedule.w0:g} to {schedule.w1:g}: it has no shape to match")
    if isinstance(schedule, Step):
        part = (wanted - schedule.w1) / (schedule.w0 - schedule.w1)
        if not 0 <= part <= 1:
            raise _out_of_reach(name, wanted, schedule.w0, schedule.w1, "tau")
        return schedule.model_copy(update={"tau": 1 - part if schedule.reverse else part})
    if isinstance(schedule, Sigmoid):
        return _solved(name, schedule, "m", 0.0, 1.0, wanted, steps)
    if isinstance(schedule, Power):
        return _solved(name, schedule, "p", 1 / _LARGEST_POWER, _LARGEST_POWER, wanted, steps)
    if isinstance(schedule, Exponential):
        return _solved(name, schedule, "k", -_STEEPEST, _STEEPEST, wanted, steps)
    assert_never(schedule)


def _between_other_ends(schedule: Linear | Cosine, wanted: float) -> Linear | Cosine:
    """Both curves are symmetric about t = 1/2, so their mean is that of their ends."""
    early = 2 * wanted - schedule.w1
    if 0 <= early <= 1:
        return schedule.model_copy(update={"w0": early})
    early = min(max(early, 0.0), 1.0)
    return schedule.model_copy(update={"w0": early, "w1": 2 * wanted - early})


def _solved(
    name: str,
    schedule: Sigmoid | Power | Exponential,
    parameter: str,
    low: float,
    high: float,
    wanted: float,
    steps: int,
) -> Fixed:
    from scipy.optimize import brentq

    def at(value: float) -> Fixed:
        bent: Fixed = schedule.model_copy(update={parameter: value})
        return bent

    off: Callable[[float], float] = lambda value: mean_share(at(value), steps) - wanted  # noqa: E731
    ends = off(low), off(high)
    if ends[0] * ends[1] > 0:
        raise _out_of_reach(name, wanted, ends[0] + wanted, ends[1] + wanted, parameter)
    return at(float(brentq(off, low, high, xtol=_TOLERANCE, rtol=_TOLERANCE)))


def _out_of_reach(name: str, wanted: float, one: float, other: float, parameter: str) -> InputError:
    return InputError(
        f"regimen {name!r} reaches mean distilled shares from {min(one, other):.3f} to {max(one, other):.3f} by its "
        f"{parameter}, not {wanted:g}; set match_exposure between them, or leave this regimen out"
    )
