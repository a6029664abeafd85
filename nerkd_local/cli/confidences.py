"""What `nerkd evaluate` says of confidences: whether they are what is right, and whether they rank it first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerkd_local.evaluate.calibration import FoundSpans
    from nerkd_local.stats.bootstrap import Array, Interval

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
        from nerkd_local.stats.calibration import as_arrays

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
        from nerkd_local.stats.calibration import aurc, brier, ece, share_wrong

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
        from nerkd_local.stats.calibration import document_interval

        return document_interval(statistic, *values, self.right, groups=self._groups, seed=SEED)

    def lines(self) -> str:
        """A table for a person."""
        from tabulate import tabulate

        from nerkd_local.stats.calibration import BINS

        head = ["", f"ECE ({BINS} bins)", "Brier", "AURC", "AURC - sentence mean", "AURC - chance"]
        rows = [
            [each.name, *map(shown, (each.ece, each.brier, each.aurc, each.over_sentence, each.over_chance))]
            for each in self.judge()
        ]
        title = f"{len(self.right):,} entities found, {int(self.right.sum()):,} of them right:"
        return f"{title}\n{tabulate(rows, head, disable_numparse=True)}"

    def draw(self, folder: Path) -> list[Path]:
        """Write `reliability.png` and `risk_coverage.png` into the folder; returns them."""
        from nerkd_local.report.confidence import reliability_figure, risk_coverage_figure
        from nerkd_local.stats.calibration import BINS, reliability_bins, risk_coverage, share_wrong

        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / "reliability.png", folder / "risk_coverage.png"]
        bins = {
            name: [(each.confidence, each.right) for each in reliability_bins(values, self.right)]
            for name, values in self.rankings.items()
            if name != SENTENCE
        }
        size = f"{len(self.right):,} entities found in {len(set(self._groups)):,} documents"
        reliability_figure(bins, paths[0], f"{size}, in up to {BINS} bins of as many each.")
        curves = {
            name: [(float(x), float(y)) for x, y in zip(*risk_coverage(values, self.right), strict=True)]
            for name, values in self.rankings.items()
        }
        chance = share_wrong(self.right)
        risk_coverage_figure(curves, paths[1], f"{size}. Missed entities have no confidence.", chance=chance)
        return paths


def shown(interval: Interval | None) -> str:
    """`0.123 [0.100, 0.150]`; a dash where there is none."""
    return "-" if interval is None else f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
