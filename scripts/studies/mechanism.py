"""Why does an order of sources work? Order, exposure and learning rate told apart, from finished runs.

    python scripts/studies/mechanism.py RUN... [--output docs/results/mechanism]

Each RUN is one learning-rate schedule of configs/experiments/mechanism_cpu.yaml. All must be scored on the same
sentences and differ in nothing but the schedule. Only seeds that every regimen of every run has finished count, so that
all is paired by document and seed. Writes summary.md, figure.png, figure.svg, table.csv and contrasts.csv; a
`reading.md` in the output folder, written by a person, is put into the summary as it stands.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nerkd_local.errors import InputError
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.lines import Counts, Line
from nerkd_local.experiment.summary import student_name
from nerkd_local.files import read_text, write_text
from nerkd_local.report.mechanism import Point, RatePanel, mechanism_figure
from nerkd_local.report.tables import markdown_table, write_csv
from nerkd_local.stats.bootstrap import f1_interval
from nerkd_local.stats.contrasts import Answer, Contrast, answer_contrasts
from nerkd_local.stats.holm import holm

LAST, THROUGHOUT, FIRST = "human labels last (simple_mix)", "throughout (mixed)", "human labels first (reverse)"
ORDERS = {"simple_mix": LAST, "mixed": THROUGHOUT, "reverse": FIRST}
PURE = ("original_only", "distilled_only")
EXPOSURES = {"1/3": 1 / 3, "1/2": 1 / 2, "2/3": 2 / 3}
NEAR = 0.005
"""How far a mean share may be from one of these: 2,400 examples cannot be divided by 3 exactly in every order."""
RATES = ("linear", "constant", "rewarmed")
ALPHA = 0.05
MIXED_AS_IS = "as it is"
OTHERS = {"throughout": THROUGHOUT, "first": FIRST}
"""What human labels last are compared with, by the words that contrasts have for it."""
ORDER = "order: human last - {}, exposure {}, {} rate"
ORDER_BY_EXPOSURE = "order x exposure: (human last - {}) at 2/3 - at 1/3, mean over rates"


@dataclass(frozen=True)
class Cell:
    """One condition: a learning-rate schedule, an order (or a pure regimen's name), and an exposure's name."""

    rate: str
    order: str
    exposure: str

    @property
    def name(self) -> str:
        return f"{self.rate}, {self.order}, {self.exposure}"


@dataclass(frozen=True)
class Study:
    """All runs' counts by condition, of the same seeds and sentences. Shape of each: (seeds, sentences, 3)."""

    runs: Mapping[str, Run]
    cells: Mapping[Cell, Counts]
    regimens: Mapping[Cell, str]
    shares: Mapping[Cell, float]
    seeds: tuple[int, ...]
    documents: Any

    @cached_property
    def rates(self) -> list[str]:
        return [rate for rate in RATES if rate in self.runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=Path("docs/results/mechanism"))
    arguments = parser.parse_args()
    study = read_study([open_run(path) for path in arguments.runs])
    points = dict(score(study))
    answers = answer_contrasts(
        list(contrasts(study)),
        {cell.name: counts for cell, counts in study.cells.items()},
        groups=study.documents,
        seed=RESAMPLING_SEED,
    )
    adjusted = holm([answer.p for answer in answers])
    write_csv(arguments.output / "table.csv", [row_of(cell, point, study) for cell, point in points.items()])
    write_csv(
        arguments.output / "contrasts.csv",
        [
            {
                "contrast": answer.contrast.name,
                "difference": answer.interval.mean,
                "low": answer.interval.low,
                "high": answer.interval.high,
                "p": answer.p,
                "p_holm": p,
                "seeds": len(study.seeds),
            }
            for answer, p in zip(answers, adjusted, strict=True)
        ],
    )
    for suffix in ("png", "svg"):
        mechanism_figure(panels(study, points, answers), arguments.output / f"figure.{suffix}", caption(study))
    reading = arguments.output / "reading.md"
    told = read_text(reading) if reading.exists() else ""
    write_text(arguments.output / "summary.md", summary(study, points, answers, adjusted, told))


def read_study(runs: Sequence[Run]) -> Study:
    """Raises InputError for runs that cannot be compared, and where they have no finished seed in common."""
    by_rate = check_alike(runs)
    found: dict[Cell, tuple[Run, Line]] = {}
    shares: dict[Cell, float] = {}
    for rate, run in by_rate.items():
        for line in run.lines:
            base = line.regimen.partition("@")[0]
            share = realised_share(run, line)
            if line.regimen in PURE:
                cell = Cell(rate, line.regimen, "all" if line.regimen == "distilled_only" else "none")
            elif base in ORDERS:
                named = [name for name, value in EXPOSURES.items() if abs(share - value) < NEAR]
                cell = Cell(rate, ORDERS[base], named[0] if named else MIXED_AS_IS)
            else:
                continue
            found[cell], shares[cell] = (run, line), share
    if not found:
        raise InputError(f"no student of {', '.join((*ORDERS, *PURE))} is finished in these runs; let them go on")
    seeds = set.intersection(*(set(run.seeds(line)) for run, line in found.values()))
    if not seeds:
        raise InputError("the runs' regimens have no finished seed in common; let them go on")
    ordered = tuple(sorted(seeds))
    return Study(
        by_rate,
        {cell: run.counts(line, ordered) for cell, (run, line) in found.items()},
        {cell: line.regimen for cell, (_, line) in found.items()},
        shares,
        ordered,
        next(iter(by_rate.values())).documents(next(iter(found.values()))[1].size),
    )


def check_alike(runs: Sequence[Run]) -> dict[str, Run]:
    """The runs by learning-rate schedule."""
    found: dict[str, Run] = {}
    for run in runs:
        rate = run.settings.training.schedule
        if rate in found:
            raise InputError(f"has the schedule {rate!r}, as {found[rate].folder.root} has", path=run.folder.root)
        if len(set(run.settings.original.sizes)) > 1:
            raise InputError("has several original sizes; one is compared", path=run.folder.root)
        found[rate] = run
    first = runs[0]
    for run in runs:
        if scored_on(run) != scored_on(first):
            raise InputError(f"is not scored on the sentences that {first.folder.root} is", path=run.folder.root)
        if trained_on(run) != trained_on(first):
            raise InputError(
                f"is trained on other sentences, or otherwise than {first.folder.root}: only the learning-rate "
                "schedule may differ",
                path=run.folder.root,
            )
    return found


def scored_on(run: Run) -> set[str]:
    """Digests of the evaluation files of all its students."""
    return {digest for result in run.results.values() for digest in result["made_from"]["evaluation"].values()}


def trained_on(run: Run) -> set[str]:
    """What all its students have in common, whatever they read: of one run one text, or two sources."""
    free = ("plan", "original", "distilled", "schedule", "seed", "channel")
    kinds = {
        repr(sorted((name, value) for name, value in result["made_from"]["training"].items() if name not in free))
        for result in run.results.values()
    }
    sources = {
        f"{name} {result['made_from']['training'][name]}"
        for result in run.results.values()
        for name in ("original", "distilled")
        if result["made_from"]["training"][name] is not None
    }
    return kinds | sources


def realised_share(run: Run, line: Line) -> float:
    """W, over all the students of a line."""
    examples = [run.results[name]["examples"] for seed in run.seeds(line) for name, _ in line.parts[seed]]
    distilled, original = (sum(each[source] for each in examples) for source in ("distilled", "original"))
    return float(distilled / (distilled + original))


def score(study: Study) -> Iterator[tuple[Cell, Point]]:
    """Each condition's F1 with its interval."""
    for cell, counts in study.cells.items():
        interval = f1_interval(counts, groups=study.documents, seed=RESAMPLING_SEED)
        matched = cell.exposure != MIXED_AS_IS
        yield cell, Point(study.shares[cell], interval.mean, interval.low, interval.high, matched)


def contrasts(study: Study) -> Iterator[Contrast]:
    """All questions that are asked, of which none may be left out of the correction."""
    for word, other in OTHERS.items():
        for rate in study.rates:
            for exposure in EXPOSURES:
                yield from known(study, ORDER.format(word, exposure, rate), order_effect(rate, other, [exposure]))
            name = f"order: human last - {word}, mean over exposures, {rate} rate"
            yield from known(study, name, order_effect(rate, other, EXPOSURES))
    for word, order in (("last", LAST), *OTHERS.items()):
        for rate in study.rates:
            name = f"exposure: 2/3 - 1/3, human {word}, {rate} rate"
            yield from known(study, name, {Cell(rate, order, "2/3"): 1.0, Cell(rate, order, "1/3"): -1.0})
    for word, order in (("last", LAST), *OTHERS.items()):
        for rate in study.rates[1:]:
            name = f"rate: {rate} - {study.rates[0]}, human {word}, mean over exposures"
            weights = {
                Cell(each, order, exposure): sign / 3
                for each, sign in ((rate, 1), (study.rates[0], -1))
                for exposure in EXPOSURES
            }
            yield from known(study, name, weights)
    for word, other in OTHERS.items():
        for rate in study.rates[1:]:
            name = f"order x rate: (human last - {word}) at {rate} - at {study.rates[0]}, mean over exposures"
            here, there = order_effect(rate, other, EXPOSURES), order_effect(study.rates[0], other, EXPOSURES)
            yield from known(study, name, here | {cell: -weight for cell, weight in there.items()})
    for word, other in OTHERS.items():
        weights = {}
        for exposure, sign in (("2/3", 1), ("1/3", -1)):
            for rate in study.rates:
                effect = order_effect(rate, other, [exposure])
                weights |= {cell: sign * weight / len(study.rates) for cell, weight in effect.items()}
        yield from known(study, ORDER_BY_EXPOSURE.format(word), weights)
    for rate in study.rates:
        name = f"unmatched: simple_mix - mixed as they are, {rate} rate"
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
            named = {exposure: ORDER.format(word, exposure, rate) for exposure in EXPOSURES}
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


def row_of(cell: Cell, point: Point, study: Study) -> dict[str, object]:
    correct, predicted, gold = study.cells[cell].sum(axis=1).T
    return {
        "rate": cell.rate,
        "regimen": study.regimens[cell],
        "order": cell.order,
        "exposure": point.exposure,
        "matched": point.matched,
        "f1": point.f1,
        "low": point.low,
        "high": point.high,
        "f1_seeds": [float(value) for value in 2 * correct / np.maximum(predicted + gold, 1)],
    }


def summary(
    study: Study, points: Mapping[Cell, Point], answers: Sequence[Answer], adjusted: Sequence[float], reading: str
) -> str:
    lines = [
        "# Order, exposure and learning rate",
        "",
        f"`scripts/studies/mechanism.py` on {len(study.runs)} runs of `configs/experiments/mechanism_cpu.yaml`, one a "
        f"learning-rate schedule: {', '.join(study.rates)}. {caption(study)}.",
        "",
        "![F1 over exposure by order and learning rate](figure.png)",
        "",
        "## What the numbers say",
        "",
        *say(answers, adjusted, study),
        "",
    ]
    if reading:
        lines += [reading.rstrip(), ""]
    lines += ["## F1", "", f1_table(study, points).rstrip(), "", "## Contrasts", ""]
    lines += [
        "Differences in F1, paired by document. 95% intervals and p: `stats/contrasts.py`, documents and seeds. p "
        f"(Holm) is corrected over all {len(answers)} contrasts; those of order x exposure were added after the first "
        "two seeds had been seen.",
        "",
        contrast_table(answers, adjusted).rstrip(),
    ]
    return "\n".join(lines) + "\n"


def say(answers: Sequence[Answer], adjusted: Sequence[float], study: Study) -> list[str]:
    """What the intervals carry, contrast by contrast, and nothing else."""
    found = {answer.contrast.name: (answer, p) for answer, p in zip(answers, adjusted, strict=True)}
    lines = []
    for rate in study.rates:
        for word in ("throughout", "first"):
            name = f"order: human last - {word}, mean over exposures, {rate} rate"
            if name in found:
                lines.append(
                    f"- {rate.capitalize()} rate, equal exposure: human labels last {verdict(*found[name], word)}"
                )
    for rate in study.rates[1:]:
        for word in ("throughout", "first"):
            name = f"order x rate: (human last - {word}) at {rate} - at {study.rates[0]}, mean over exposures"
            if name in found:
                answer, p = found[name]
                told = "is another than" if p <= ALPHA else "cannot be told apart from"
                lines.append(
                    f"- What human labels last gain over {word} at a {rate} rate {told} what they gain at a "
                    f"{study.rates[0]} one: {numbers(answer, p)}."
                )
    exposures = [(name, pair) for name, pair in found.items() if name.startswith("exposure")]
    if exposures:
        apart = [name.removeprefix("exposure: 2/3 - 1/3, ") for name, (_, p) in exposures if p <= ALPHA]
        values = [answer.interval.mean for _, (answer, _) in exposures]
        named = f": {'; '.join(apart)}" if apart else ""
        lines.append(
            f"- Twice the distilled share, 2/3 for 1/3, at equal order and rate: {min(values):+.3f} to "
            f"{max(values):+.3f}; told apart from no effect in {len(apart)} of {len(exposures)} cases{named}."
        )
    for word in ("throughout", "first"):
        name = ORDER_BY_EXPOSURE.format(word)
        if name in found:
            answer, p = found[name]
            told = "depends on exposure" if p <= ALPHA else "cannot be said to depend on exposure"
            lines.append(
                f"- What human labels last gain over {word} {told}: at 2/3 minus at 1/3, on average over the rates, "
                f"{numbers(answer, p)}."
            )
    for rate in study.rates:
        name = f"unmatched: simple_mix - mixed as they are, {rate} rate"
        matched = ORDER.format("throughout", "1/2", rate)
        if name in found and matched in found:
            lines.append(
                f"- An unmatched comparison at a {rate} rate, simple_mix minus mixed as they are, would have said "
                f"{numbers(*found[name])}; at equal exposure, one half, it is {numbers(*found[matched])}."
            )
    return lines


def verdict(answer: Answer, p: float, word: str) -> str:
    if p <= ALPHA:
        return f"are {'better' if answer.interval.mean > 0 else 'worse'} than {word}: {numbers(answer, p)}."
    largest = max(abs(answer.interval.low), abs(answer.interval.high))
    return f"cannot be told apart from {word}: {numbers(answer, p)}; none larger than {largest:.3f} is supported."


def numbers(answer: Answer, p: float) -> str:
    interval = answer.interval
    return f"{interval.mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f}), corrected p {p:.3f}"


def f1_table(study: Study, points: Mapping[Cell, Point]) -> str:
    headers = ["rate", "regimen", "order", "W", "F1", "95% interval"]
    cells = [
        (
            cell.rate,
            study.regimens[cell],
            cell.order,
            f"{point.exposure:.3f}",
            f"{point.f1:.3f}",
            f"{point.low:.3f} to {point.high:.3f}",
        )
        for cell, point in points.items()
    ]
    return markdown_table(headers, cells, left=[*headers[:3], headers[5]])


def contrast_table(answers: Sequence[Answer], adjusted: Sequence[float]) -> str:
    headers = ["contrast", "difference", "95% interval", "p", "p (Holm)"]
    cells = [
        (
            answer.contrast.name,
            f"{answer.interval.mean:+.4f}",
            f"{answer.interval.low:+.4f} to {answer.interval.high:+.4f}",
            f"{answer.p:.4f}",
            f"{p:.3f}",
        )
        for answer, p in zip(answers, adjusted, strict=True)
    ]
    return markdown_table(headers, cells, left=[headers[0], headers[2]])


if __name__ == "__main__":
    main()
