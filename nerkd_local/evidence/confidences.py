"""What confidences are worth: whether they are what is right, and whether they rank it first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.evaluate.calibration import FoundSpans
from nerkd_local.report.confidence import reliability_figure, risk_coverage_figure
from nerkd_local.stats.bootstrap import Array, Interval
from nerkd_local.stats.calibration import (
    BINS,
    as_arrays,
    aurc,
    brier,
    document_interval,
    ece,
    reliability_bins,
    risk_coverage,
    share_wrong,
)

SEED = 0
"""Of the bootstrap."""

GIVEN, CALIBRATED, SENTENCE = "confidence", "calibrated", "sentence mean"


@dataclass(frozen=True, slots=True)
class Ranking:
    """One way to tell how sure an entity is; `probable` where its numbers are meant as probabilities.

    `aurc` is its area under the risk-coverage curve; `over_sentence` and `over_chance` what that is more than by the
    sentence-mean log-probability, and than for entities kept at random.
    """

    name: str
    probable: bool
    ece: Interval | None
    brier: Interval | None
    aurc: Interval
    over_sentence: Interval | None
    over_chance: Interval


class ConfidenceReport:
    """The confidences of found entities, judged. Missed entities have none: how many there are is recall's to say."""

    def __init__(self, spans: FoundSpans) -> None:
        (self.right,) = as_arrays(spans.right)
        self._groups = spans.groups
        named: dict[str, Sequence[float] | None] = {
            GIVEN: spans.confidences,
            CALIBRATED: spans.calibrated,
            SENTENCE: spans.sentence,
        }
        self.rankings: dict[str, Array] = {
            name: as_arrays(values)[0] for name, values in named.items() if values is not None
        }

    def judge(self) -> list[Ranking]:
        """Every ranking with its figures, each with an interval over documents; differences draw the same ones."""

        def over_sentence(values: Array, sentence: Array, right: Array) -> float:
            return aurc(values, right) - aurc(sentence, right)

        def over_chance(values: Array, right: Array) -> float:
            return aurc(values, right) - share_wrong(right)

        found = []
        for name, values in self.rankings.items():
            probable = name != SENTENCE
            other = self.rankings.get(SENTENCE) if probable else None
            found.append(
                Ranking(
                    name,
                    probable,
                    self._interval(ece, values) if probable else None,
                    self._interval(brier, values) if probable else None,
                    self._interval(aurc, values),
                    None if other is None else self._interval(over_sentence, values, other),
                    self._interval(over_chance, values),
                )
            )
        return found

    def _interval(self, statistic: Callable[..., float], *values: Array) -> Interval:
        return document_interval(statistic, *values, self.right, groups=self._groups, seed=SEED)

    def lines(self) -> str:
        """A table for a person."""
        from tabulate import tabulate

        head = ["", f"ECE ({BINS} bins)", "Brier", "AURC", "AURC - sentence mean", "AURC - chance"]
        rows = [
            [each.name, *map(shown, (each.ece, each.brier, each.aurc, each.over_sentence, each.over_chance))]
            for each in self.judge()
        ]
        title = f"{len(self.right):,} entities found, {int(self.right.sum()):,} of them right:"
        return f"{title}\n{tabulate(rows, head, disable_numparse=True)}"

    def draw(self, folder: Path) -> list[Path]:
        """Write `reliability.png` and `risk_coverage.png` into the folder; returns them."""
        paths = [folder / "reliability.png", folder / "risk_coverage.png"]
        self.draw_reliability(paths[0])
        self.draw_risk(paths[1])
        return paths

    def draw_reliability(self, path: Path) -> None:
        """The share right over confidence, as PNG or SVG."""
        bins = {
            name: [(each.confidence, each.right) for each in reliability_bins(values, self.right)]
            for name, values in self.rankings.items()
            if name != SENTENCE
        }
        reliability_figure(bins, path, f"{self._size}, in up to {BINS} bins of as many each.")

    def draw_risk(self, path: Path) -> None:
        """The share wrong over the share kept, as PNG or SVG."""
        curves = {
            name: [(float(x), float(y)) for x, y in zip(*risk_coverage(values, self.right), strict=True)]
            for name, values in self.rankings.items()
        }
        chance = share_wrong(self.right)
        risk_coverage_figure(curves, path, f"{self._size}. Missed entities have no confidence.", chance=chance)

    @property
    def _size(self) -> str:
        return f"{len(self.right):,} entities found in {len(set(self._groups)):,} documents"


def shown(interval: Interval | None) -> str:
    """`0.123 [0.100, 0.150]`; a dash where there is none."""
    return "-" if interval is None else f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
