"""The distilled share of a batch over training, w(t): one formula for every regimen.

Progress t runs from 0 to 1; step s of S stands at t = (s + 1/2) / S, the middle of its stretch. A schedule
that moves is w(t) = w1 + (w0 - w1) * g(t) with g falling from g(0) = 1 to g(1) = 0, so `w0` is the distilled
share at the start and `w1` at the end. The shapes differ in their mean share too (linear, cosine and a
centred sigmoid: 1/2; (1 - t)^2: 1/3; 1 - t^2: 2/3): comparing two of them compares exposure as well, unless
both are matched to the same mean share (`match_exposure`, see `exposure`).

Source: the regimens of arXiv 2402.09282. The parameters of its decays are not known here; they are settings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from nerkd_local.records import Source
from nerkd_local.settings import Settings

Array: TypeAlias = npt.NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Steepness = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MeanShare = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]

_NEARLY_LINEAR = 1e-12
"""A decay less steep than this differs from its limit 1 - t by less than rounding does."""

_STEEPEST_RISE = 700.0
"""exp() of more is infinite."""


def progress(steps: int) -> Array:
    """t of every step, the middle of its stretch: (s + 1/2) / S. Shape: (steps,)."""
    return (np.arange(steps, dtype=np.float64) + 0.5) / steps


class Constant(Settings):
    """The same share all along; `proportional` is N_distilled / (N_distilled + N_original), plain mixing."""

    shape: Literal["constant"] = "constant"
    share: Share | Literal["proportional"]

    def at(self, t: Array) -> Array:
        """w(t), shape (S,). Raises ValueError while the share is `proportional`: see `exposure.resolve`."""
        if self.share == "proportional":
            raise ValueError("a proportional share needs the sizes of the sources; call exposure.resolve first")
        return np.full(t.shape, self.share, dtype=np.float64)

    def over(self, steps: int) -> Array:
        """The share of every step. Shape: (steps,). Raises as `at` does."""
        return self.at(progress(steps))


class Moving(Settings, ABC):
    """What the schedules that move have in common: from share `w0` at the start to `w1` at the end."""

    w0: Share = 1.0
    w1: Share = 0.0

    @abstractmethod
    def g(self, t: Array) -> Array:
        """How much of w0 is left at progress t: 1 at t = 0, 0 at t = 1. Shape: (S,)."""

    def at(self, t: Array) -> Array:
        """w(t) in [0, 1]. Shape: (S,)."""
        return self._between(self.g(t))

    def over(self, steps: int) -> Array:
        """The share of every step. Shape: (steps,)."""
        return self.at(progress(steps))

    def _between(self, g: Array) -> Array:
        return np.clip(self.w1 + (self.w0 - self.w1) * g, 0.0, 1.0)  # rounding may leave [0, 1]


class Step(Moving):
    """w0 before tau, w1 from tau on; with `reverse`, w1 before tau and w0 from tau on.

    With the default w0 and w1: distilled, then original (simple mix); reversed, original, then distilled.
    """

    shape: Literal["step"] = "step"
    tau: Share = 0.5
    reverse: bool = False

    def g(self, t: Array) -> Array:
        """1 before tau and 0 from tau on, or, reversed, 0 before tau and 1 from tau on."""
        return np.where((t < self.tau) != self.reverse, 1.0, 0.0)

    def over(self, steps: int) -> Array:
        """The share of every step. Shape: (steps,).

        The step in whose stretch tau lies is divided in proportion, so that the mean share is tau's to the last
        example, not to the last step.
        """
        before = np.clip(self.tau * steps - np.arange(steps), 0.0, 1.0)
        return self._between(1.0 - before if self.reverse else before)


class Linear(Moving):
    """g(t) = 1 - t."""

    shape: Literal["linear"] = "linear"

    def g(self, t: Array) -> Array:
        """1 - t."""
        return 1.0 - t


class Cosine(Moving):
    """g(t) = (1 + cos(pi t)) / 2: slow at both ends."""

    shape: Literal["cosine"] = "cosine"

    def g(self, t: Array) -> Array:
        """(1 + cos(pi t)) / 2."""
        return (1.0 + np.cos(np.pi * t)) / 2.0


class Exponential(Moving):
    """g(t) = (exp(-kt) - exp(-k)) / (1 - exp(-k)): steep at first. k = 0 is its limit, linear; with k below 0 it
    is steep at last."""

    shape: Literal["exponential"] = "exponential"
    k: Annotated[float, Field(ge=-_STEEPEST_RISE, allow_inf_nan=False)] = 5.0

    def g(self, t: Array) -> Array:
        """The formula as exp(-kt) (1 - exp(-k(1-t))) / (1 - exp(-k)): no difference of near-equal numbers."""
        return np.exp(-self.k * t) * _expm1_ratio(self.k, 1.0 - t)


class Sigmoid(Moving):
    """g(t) = [s(k(m-t)) - s(k(m-1))] / [s(km) - s(k(m-1))], s the logistic function: a soft step at m.

    k = 0 is its limit, linear; k towards infinity is simple mix with tau = m.
    """

    shape: Literal["sigmoid"] = "sigmoid"
    k: Steepness = 10.0
    m: Share = 0.5

    def g(self, t: Array) -> Array:
        """The formula without a difference of near-equal numbers and without overflow.

        With s(a) - s(b) = sinh((a-b)/2) / (2 cosh(a/2) cosh(b/2)) it becomes
        sinh(k(1-t)/2) cosh(km/2) / (sinh(k/2) cosh(k(m-t)/2)); the growing halves of the four exponentials
        cancel up to t = m and leave exp(-k(t-m)) beyond.
        """
        k, m = self.k, self.m
        tail = np.exp(-k * np.maximum(t - m, 0.0))
        knee = (1.0 + np.exp(-k * m)) / (1.0 + np.exp(-k * np.abs(m - t)))
        result: Array = tail * knee * _expm1_ratio(k, 1.0 - t)
        return result


class Power(Moving):
    """A power of progress, in both readings of "power decay"; p = 1 is linear in either.

    `one_minus_t`: g(t) = (1 - t)^p, for p > 1 steep at first. `one_minus_power`: g(t) = 1 - t^p, for p > 1
    steep at last.
    """

    shape: Literal["power"] = "power"
    p: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    reading: Literal["one_minus_t", "one_minus_power"] = "one_minus_t"

    def g(self, t: Array) -> Array:
        """(1 - t)^p or 1 - t^p, as `reading` says."""
        result: Array = (1.0 - t) ** self.p if self.reading == "one_minus_t" else 1.0 - t**self.p
        return result


Fixed: TypeAlias = Annotated[
    Constant | Step | Linear | Cosine | Exponential | Sigmoid | Power, Field(discriminator="shape")
]
"""A schedule that is known before training begins."""


class Adaptive(Settings):
    """A schedule that evidence bends as training goes; `adaptive` has the law and the meaning of each number."""

    shape: Literal["adaptive"] = "adaptive"
    prior: Fixed = Linear()
    """The distilled share while the distilled labels are fully trusted."""
    probes: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.1, 0.15, 0.2, 0.25)
    """When evidence is gathered: progress t of each probe."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The part of the originals that probes are judged by; trained on only from the last probe on."""
    sample: Annotated[int, Field(ge=1)] = 128
    """Sentences of each group that a probe looks at."""
    eta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 8.0
    """How strongly evidence counts; 0: the distilled corpora keep their parts."""

    def over(self, steps: int) -> Array:
        """The prior's share of every step, which evidence can only lower. Shape: (steps,)."""
        return self.prior.over(steps)


Schedule: TypeAlias = Annotated[
    Constant | Step | Linear | Cosine | Exponential | Sigmoid | Power | Adaptive, Field(discriminator="shape")
]


class Regimen(Settings):
    """A named schedule."""

    name: Annotated[str, Field(min_length=1)]
    schedule: Schedule
    match_exposure: MeanShare | None = None
    """The mean distilled share over training that the schedule is bent to, by its own parameter (see `exposure`)."""

    def shares(self, steps: int) -> Array:
        """w of every step, the distilled share of its batch. Shape: (steps,).

        Raises ValueError for a proportional share, and for one that is to be matched: see `exposure.resolve`.
        """
        if self.match_exposure is not None:
            raise ValueError("the schedule is still to be matched; call exposure.resolve first")
        return self.schedule.over(steps)

    @property
    def sources(self) -> frozenset[Source]:
        """Whose labels it reads at all: both, unless its share is a constant 0 or 1."""
        pure: dict[object, frozenset[Source]] = {0.0: frozenset({"original"}), 1.0: frozenset({"distilled"})}
        share = self.schedule.share if isinstance(self.schedule, Constant) else None
        return pure.get(share, frozenset({"original", "distilled"}))


def _expm1_ratio(k: float, u: Array) -> Array:
    """(1 - exp(-ku)) / (1 - exp(-k)) for u in [0, 1]; its limit u where k is next to nothing."""
    if abs(k) < _NEARLY_LINEAR:
        return u
    result: Array = np.expm1(-k * u) / np.expm1(-k)
    return result
