"""How the numbers and examples of a section are written into the cells of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nerkd_local.evidence.examples import Example
from nerkd_local.report.parts import Table
from nerkd_local.report.tables import NOTHING
from nerkd_local.stats.bootstrap import Interval


def signed(interval: Interval | None, digits: int = 3) -> str:
    """A difference with its interval, each with its sign."""
    if interval is None:
        return NOTHING
    mean, low, high = (f"{value:+z.{digits}f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} ({low} to {high})"


def percent(level: float) -> str:
    """A level as it is said: 95%, 99.5%."""
    return f"{100 * level:.6g}%"


def share(interval: Interval) -> str:
    """A share with its interval, in two decimals."""
    return f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def flat(row: Any) -> dict[str, object]:
    """A dataclass with its intervals spread out, for a CSV file."""
    spread: dict[str, object] = {}
    for name, value in asdict(row).items():
        if isinstance(value, dict):
            spread |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            spread[name] = value
    return spread


def examples_table(
    name: str, title: str, headers: tuple[str, ...], shown: Sequence[tuple[str, Example]], caption: str
) -> Table:
    """A row an example: what it is one of, each side's mention, the sentence and its id."""
    cells = tuple((kind, *map(_mention, example.mentions), example.text, example.id) for kind, example in shown)
    every = (*headers, "in its sentence", "sentence")
    return Table(name, title, every, cells, every, caption, quotes=True)


def _mention(mention: tuple[str, str] | None) -> str:
    return NOTHING if mention is None else f"{mention[0]} [{mention[1]}]"
