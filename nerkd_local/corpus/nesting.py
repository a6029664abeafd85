"""Spans that overlap, made flat by a declared policy: a token carries one tag."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Literal

from nerkd_local.records import Span

Nested = Literal["outermost", "innermost"]
"""Which of spans that overlap is kept: `outermost` the longest, `innermost` the shortest; of equals the first."""


def flatten(spans: Iterable[Span], policy: Nested) -> tuple[Span, ...]:
    """Spans of which no two overlap, in text order, chosen one by one: those that the policy prefers come first."""
    sign = -1 if policy == "outermost" else 1
    starts: list[int] = []
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (sign * (span.end - span.start), span.start)):
        place = bisect_left(starts, span.start)
        before, after = kept[place - 1 : place], kept[place : place + 1]
        if (before and before[0].end > span.start) or (after and after[0].start < span.end):
            continue
        starts.insert(place, span.start)
        kept.insert(place, span)
    return tuple(kept)


def find_overlap(spans: Iterable[Span]) -> tuple[Span, Span] | None:
    """The first two of spans in text order that overlap; None if none do."""
    last: Span | None = None
    for span in spans:
        if last is not None and span.start < last.end:
            return last, span
        last = span
    return None
