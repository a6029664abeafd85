"""The learning rate as a function of the step, so that resuming needs no scheduler's state."""

from __future__ import annotations

from typing import Literal

from nerkd_local.train.settings import StudentSettings


def learning_rate(settings: StudentSettings, step: int, steps: int) -> float:
    """The learning rate of optimizer step `step` (from 0) of `steps`."""
    share = rate_share(step, steps, warmup_share=settings.warmup_share, schedule=settings.schedule)
    return settings.learning_rate * share


def rate_share(
    step: int, steps: int, *, warmup_share: float, schedule: Literal["linear", "constant", "rewarmed"]
) -> float:
    """The part of the full learning rate that optimizer step `step` (from 0) of `steps` takes, in (0, 1].

    The rate climbs in equal amounts over the first w = round(warmup_share * steps) steps, which take 1/(w+1),
    2/(w+1), ... w/(w+1), then is 1 at step w, and stays there (`constant`) or falls in equal amounts towards
    0, which it would reach one step after the last (`linear`). So no step is spent at rate 0. `rewarmed` is `linear`
    over the first half of the steps, and again over the second.
    """
    if schedule == "rewarmed":
        half = steps // 2
        first = step < half
        steps, step = (half, step) if first else (steps - half, step - half)
    warmup = round(warmup_share * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 1.0 if schedule == "constant" else (steps - step) / (steps - warmup)
