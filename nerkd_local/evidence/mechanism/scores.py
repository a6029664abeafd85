"""The study's conditions as scores, as rows of a table, and as the panels of a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nerkd_local.evidence.mechanism.questions import ORDER, OTHERS
from nerkd_local.evidence.mechanism.study import EXPOSURES, MIXED_AS_IS, ORDERS, PURE, Cell, Study
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.summary import student_name
from nerkd_local.report.mechanism import Point, RatePanel
from nerkd_local.stats.bootstrap import f1_interval, micro_f1
from nerkd_local.stats.contrasts import Answer


def score(study: Study) -> Iterator[tuple[Cell, Point]]:
    """Each condition's F1 with its interval."""
    for cell, counts in study.cells.items():
        interval = f1_interval(counts, groups=study.documents, seed=RESAMPLING_SEED)
        matched = cell.exposure != MIXED_AS_IS
        yield cell, Point(study.shares[cell], interval.mean, interval.low, interval.high, matched)


def row_of(cell: Cell, point: Point, study: Study) -> dict[str, object]:
    return {
        "rate": cell.rate,
        "regimen": study.regimens[cell],
        "order": cell.order,
        "exposure": point.exposure,
        "matched": point.matched,
        "f1": point.f1,
        "low": point.low,
        "high": point.high,
        "f1_seeds": micro_f1(study.cells[cell].sum(axis=1)).tolist(),
    }


def panels(study: Study, points: Mapping[Cell, Point], answers: Sequence[Answer]) -> list[RatePanel]:
    """One for each rate."""
    gains = {answer.contrast.name: answer.interval for answer in answers}
    drawn = []
    for rate in study.rates:
        orders = {
            order: [point for cell, point in points.items() if (cell.rate, cell.order) == (rate, order)]
            for order in ORDERS.values()
        }
        pure = {
            name: point for name in PURE for cell, point in points.items() if (cell.rate, cell.order) == (rate, name)
        }
        over = {}
        for word, other in OTHERS.items():
            named = {exposure: ORDER.format(other=word, exposure=exposure, rate=rate) for exposure in EXPOSURES}
            over[other] = [
                Point(EXPOSURES[exposure], gains[name].mean, gains[name].low, gains[name].high)
                for exposure, name in named.items()
                if name in gains
            ]
        drawn.append(RatePanel(rate, orders, pure, over))
    return drawn


def caption(study: Study) -> str:
    settings = next(iter(study.runs.values())).settings
    distilled = sum(each.sample or 0 for each in settings.distilled)
    return (
        f"{settings.original.sizes[0]:,} original and {distilled:,} distilled sentences; student "
        f"{student_name(settings)}, {settings.training.steps} steps of {settings.training.batch_size}; "
        f"{seeds_in_words(study)}; {study.documents.max() + 1:,} documents. Intervals of F1: bootstrap over documents, "
        "seeds nested, of each mean by itself; of differences: all that a test over documents and seeds does not "
        "reject, each by itself, not corrected for their number"
    )


def seeds_in_words(study: Study) -> str:
    return f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''} ({', '.join(map(str, study.seeds))})"
