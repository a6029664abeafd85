"""What is asked of the conditions, as contrasts: nothing may be left out, for all are corrected together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nerkd_local.evidence.mechanism.study import EXPOSURES, FIRST, LAST, MIXED_AS_IS, THROUGHOUT, Cell, Study
from nerkd_local.stats.contrasts import Contrast

OTHERS = {"throughout": THROUGHOUT, "first": FIRST}
"""What human labels last are compared with, by the words that contrasts have for it."""
PLACES = {"last": LAST, **OTHERS}
"""All orders, by the same words."""

ORDER = "order: human last - {other}, exposure {exposure}, {rate} rate"
ORDER_MEAN = "order: human last - {other}, mean over exposures, {rate} rate"
EXPOSURE = "exposure: 2/3 - 1/3, human {order}, {rate} rate"
RATE = "rate: {rate} - {first}, human {order}, mean over exposures"
ORDER_BY_RATE = "order x rate: (human last - {other}) at {rate} - at {first}, mean over exposures"
ORDER_BY_EXPOSURE = "order x exposure: (human last - {other}) at 2/3 - at 1/3, mean over rates"
UNMATCHED = "unmatched: simple_mix - mixed as they are, {rate} rate"


def contrasts(study: Study) -> Iterator[Contrast]:
    """All questions that are asked, of which none may be left out of the correction."""
    for word, other in OTHERS.items():
        for rate in study.rates:
            for exposure in EXPOSURES:
                name = ORDER.format(other=word, exposure=exposure, rate=rate)
                yield from known(study, name, order_effect(rate, other, [exposure]))
            name = ORDER_MEAN.format(other=word, rate=rate)
            yield from known(study, name, order_effect(rate, other, EXPOSURES))
    for word, order in PLACES.items():
        for rate in study.rates:
            name = EXPOSURE.format(order=word, rate=rate)
            yield from known(study, name, {Cell(rate, order, "2/3"): 1.0, Cell(rate, order, "1/3"): -1.0})
    for word, order in PLACES.items():
        for rate in study.rates[1:]:
            name = RATE.format(rate=rate, first=study.rates[0], order=word)
            weights = {
                Cell(each, order, exposure): sign / len(EXPOSURES)
                for each, sign in ((rate, 1), (study.rates[0], -1))
                for exposure in EXPOSURES
            }
            yield from known(study, name, weights)
    for word, other in OTHERS.items():
        for rate in study.rates[1:]:
            name = ORDER_BY_RATE.format(other=word, rate=rate, first=study.rates[0])
            here, there = order_effect(rate, other, EXPOSURES), order_effect(study.rates[0], other, EXPOSURES)
            yield from known(study, name, here | {cell: -weight for cell, weight in there.items()})
    for word, other in OTHERS.items():
        weights = {}
        for exposure, sign in (("2/3", 1), ("1/3", -1)):
            for rate in study.rates:
                effect = order_effect(rate, other, [exposure])
                weights |= {cell: sign * weight / len(study.rates) for cell, weight in effect.items()}
        yield from known(study, ORDER_BY_EXPOSURE.format(other=word), weights)
    for rate in study.rates:
        name = UNMATCHED.format(rate=rate)
        yield from known(study, name, {Cell(rate, LAST, "1/2"): 1.0, Cell(rate, THROUGHOUT, MIXED_AS_IS): -1.0})


def order_effect(rate: str, other: str, exposures: Sequence[str] | Mapping[str, float]) -> dict[Cell, float]:
    """Human labels last minus another order, on average over exposures."""
    return {
        Cell(rate, order, exposure): sign / len(exposures)
        for order, sign in ((LAST, 1), (other, -1))
        for exposure in exposures
    }


def known(study: Study, name: str, weights: Mapping[Cell, float]) -> Iterator[Contrast]:
    """The contrast, if all its conditions are there."""
    if all(cell in study.cells for cell in weights):
        yield Contrast(name, {cell.name: weight for cell, weight in weights.items()})
