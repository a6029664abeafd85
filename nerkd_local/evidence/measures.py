"""The kinds of cost that a report shows, and how so much of each is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log10

from nerkd_local.evidence.costs import Price


@dataclass(frozen=True, slots=True)
class Measure:
    """Its name, how much of it a sentence takes (None where that is not recorded), and how a total is written."""

    name: str
    of: Callable[[Price], float | None]
    write: Callable[[float], str]


def duration(seconds: float) -> str:
    """In seconds, minutes or hours, with three significant digits: `1.25 min`."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{_short(seconds / length)} {unit}"
    return f"{_short(seconds)} s"


def energy_text(joules: float) -> str:
    """In J, Wh or kWh, with three significant digits."""
    for unit, size in (("kWh", 3.6e6), ("Wh", 3600.0)):
        if joules >= size:
            return f"{_short(joules / size)} {unit}"
    return f"{_short(joules)} J"


def _short(value: float) -> str:
    return f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}" if value else "0"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


MEASURES = (
    Measure("annotator's time", lambda price: price.seconds, duration),
    Measure("GPU-hours", lambda price: price.gpu_hours, _short),
    Measure("CPU core-hours", lambda price: price.core_hours, _short),
    Measure("prompt tokens", lambda price: price.prompt_tokens, _whole),
    Measure("output tokens", lambda price: price.output_tokens, _whole),
    Measure("energy", lambda price: price.joules, energy_text),
)
