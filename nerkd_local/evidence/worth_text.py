"""What distilled sentences are worth, in words and in table cells."""

from __future__ import annotations

from dataclasses import replace
from math import floor, isfinite, log10

from nerkd_local.evidence.amounts import AmountCell
from nerkd_local.evidence.measures import duration
from nerkd_local.report.tables import NOTHING
from nerkd_local.stats.worth import Worth


def describe_worth(cell: AmountCell) -> str:
    """A sentence for a cell with a worth: `1,000 distilled sentences are worth 130 (90 to 180) original ones beside
    100.`, in two significant digits; or that they cannot be told from none, or are worse than that. Alone they are not
    held to none, of which no student learns."""
    worth = cell.worth
    assert worth is not None
    beside = f"beside {cell.size:,}"
    begin = f"{cell.amount:,} distilled sentences of {cell.mix}"
    told = _told(worth)
    if not cell.size:
        return f"{begin} alone are worth {told} original ones with {cell.regimen}."
    if worth.sign < 0:
        lost = _told(replace(worth, estimate=-worth.estimate, low=-worth.high, high=-worth.low, most=-worth.least))
        return f"{begin} do harm {beside} with {cell.regimen}, as much as taking away {lost} original ones."
    if not worth.sign:
        return f"{begin} cannot be told apart from none {beside} with {cell.regimen}: worth {told} original ones."
    return f"{begin} are worth {told} original ones {beside} with {cell.regimen}."


def _told(worth: Worth) -> str:
    """`130 (90 to 180)`; where nothing is known of it but an end of the sizes, that alone."""
    estimate = _bound(worth.estimate, worth)
    low, high = _bound(worth.low, worth), _bound(worth.high, worth)
    return estimate if low == high == estimate and not isfinite(worth.low) else f"{estimate} ({low} to {high})"


def worth_cells(worth: Worth | None) -> tuple[str, str, str]:
    """The estimate, its interval, and how often resamples ran off the sizes."""
    if worth is None:
        return NOTHING, NOTHING, NOTHING
    ends = dict.fromkeys(_bound(end, worth, exact=True) for end in (worth.low, worth.high))
    off = worth.above + worth.below
    return _bound(worth.estimate, worth, exact=True), " to ".join(ends), f"{off:.0%}" if off else NOTHING


def worth_as_labelling(worth: Worth | None, minutes: float) -> str:
    """How long people would label for as much."""
    if worth is None or not isfinite(worth.estimate):
        return NOTHING
    return f"{'-' if worth.estimate < 0 else ''}{duration(abs(worth.estimate) * minutes * 60)}"


def _bound(value: float, worth: Worth, *, exact: bool = False) -> str:
    """A number of sentences, or what is known of it beyond the sizes."""
    if not isfinite(value):
        return f"more than {worth.most:,}" if value > 0 else f"fewer than {worth.least:,}"
    rounded = round(value)
    if not exact and rounded:
        step = 10 ** max(0, floor(log10(abs(rounded))) - 1)
        rounded = round(rounded / step) * step
    return f"{rounded:,}"
