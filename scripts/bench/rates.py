"""Rates measured in turns, and ratios between them: what else the machine does falls on all alike."""

from __future__ import annotations

import statistics


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


def ratio(rates: dict[str, list[float]], over: str, under: str) -> list[float]:
    """Ratios round by round."""
    return [left / right for left, right in zip(rates[over], rates[under], strict=True)]


def shown(ratios: list[float]) -> str:
    """The median with the spread."""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def table(rates: dict[str, list[float]], more: dict[str, dict[str, float]] | None = None) -> None:
    """Median and spread of sentences a second, as Markdown."""
    more = more or {}
    say("| | sentences/s | least to most |" + "".join(f" {name} |" for name in more))
    say("|---|---|---|" + "---|" * len(more))
    for name, found in rates.items():
        extra = "".join(f" {column[name]:.1f} |" if name in column else " |" for column in more.values())
        say(f"| {name} | {statistics.median(found):.1f} | {min(found):.1f} to {max(found):.1f} |{extra}")
