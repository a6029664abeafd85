"""What the students of a run reach with so many human-labelled sentences beside so many distilled ones, and what the
distilled ones are worth in human-labelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nerkd_local.config.experiment import MixSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.lines import Line
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.stats.bootstrap import Interval, f1_interval
from nerkd_local.stats.worth import Worth, worth_in_originals


@dataclass(frozen=True, slots=True)
class Level:
    """What original_only reaches with so many human-labelled sentences, over the seeds."""

    size: int
    seeds: int
    f1: Interval


@dataclass(frozen=True, slots=True)
class AmountCell:
    """One regimen with `amount` distilled sentences of `mix` (the whole mix's name) beside `size` human-labelled ones.

    `size` is 0 for a regimen that reads none of those. `worth` is over `worth_seeds`, those that original_only has too
    at every size; None where there is no curve to read it off.
    """

    regimen: str
    mix: str
    size: int
    amount: int
    seeds: int
    f1: Interval
    students: tuple[str, ...]
    worth: Worth | None = None
    worth_seeds: int = 0


@dataclass(frozen=True, slots=True)
class Amounts:
    """`missing` says in sentences what a run lacks for more to be known."""

    levels: tuple[Level, ...]
    cells: tuple[AmountCell, ...]
    missing: tuple[str, ...] = ()

    @property
    def varied(self) -> bool:
        """Whether any regimen has one mix in several amounts."""
        seen: dict[tuple[str, str, int], set[int]] = {}
        for cell in self.cells:
            seen.setdefault((cell.regimen, cell.mix, cell.size), set()).add(cell.amount)
        return any(len(amounts) > 1 for amounts in seen.values())


def read_amounts(run: Run) -> Amounts:
    """F1 with intervals by original size and distilled amount, and the worth of each amount.

    Sizes ascend, then regimens and mixes come in the order of the settings, then amounts ascend.
    """
    missing = []
    mixes = {mix.name: mix for mix in run.settings.all_mixes}
    counts = {name: sentences_of(run, mix) for name, mix in mixes.items()}
    unknown = [name for name in mixes if counts[name] is None]
    if unknown:
        missing.append(
            f"How many sentences {', '.join(unknown)} has is not known: the run was kept without them, and no finished "
            "student read any."
        )
    reading = {(cell.regimen, cell.mix) for cell in list_cells(run.settings) if cell.original_size is not None}
    lines: dict[tuple[str, str, int], Line] = {}
    for line in run.lines:
        if line.mix is not None and counts[line.mix] is not None:
            size = line.size if (line.regimen, line.mix) in reading else 0
            lines.setdefault((line.regimen, line.mix, size), line)
    curve = [line for line in run.lines if line.regimen == BASELINE]
    cells = [_cell(run, line, mixes[mix], size, counts[mix] or 0) for (_, mix, size), line in lines.items()]
    cells, more = _with_worth(run, curve, cells, list(lines.values()))
    levels = tuple(Level(line.size, len(run.seeds(line)), _f1(run, line)) for line in curve)
    order = {name: number for number, name in enumerate(dict.fromkeys((cell.regimen, cell.mix) for cell in cells))}
    cells.sort(key=lambda cell: (cell.size, order[cell.regimen, cell.mix], cell.amount))
    return Amounts(levels, tuple(cells), (*missing, *more, *_advice(run, levels, cells)))


def sentences_of(run: Run, mix: MixSettings) -> int | None:
    """How many sentences students of this mix may learn from; None where nothing that is there says it."""
    if mix.amount is not None:
        return mix.amount
    if (file := run.folder.distilled(mix.name)).exists():
        return sum(1 for _ in read_documents(file))
    for line in run.lines:
        for name in (name for seed in run.seeds(line) for name, _ in line.parts[seed] if line.mix == mix.name):
            examples, passes = (float(run.results[name][what]["distilled"]) for what in ("examples", "passes"))
            if passes:
                return round(examples / passes)
    return None


def _cell(run: Run, line: Line, mix: MixSettings, size: int, amount: int) -> AmountCell:
    seeds = run.seeds(line)
    students = tuple(name for seed in seeds for name, _ in line.parts[seed])
    return AmountCell(line.regimen, mix.whole_name, size, amount, len(seeds), _f1(run, line), students)


def _f1(run: Run, line: Line) -> Interval:
    return f1_interval(run.counts(line), groups=run.documents(line.size), seed=RESAMPLING_SEED)


def _with_worth(
    run: Run, curve: Sequence[Line], cells: Sequence[AmountCell], lines: Sequence[Line]
) -> tuple[list[AmountCell], list[str]]:
    """The cells with their worth, in the same order as their lines; and why there is none, where there is none."""
    if run.settings.folds is not None:
        return list(cells), ["With `folds` each size is scored on sentences of its own, so sizes cannot be compared."]
    if not curve:
        return list(cells), [f"No student of {BASELINE} is finished, which is what distilled sentences are held to."]
    shared = set.intersection(*(set(run.seeds(line)) for line in curve))
    by_seeds: dict[tuple[int, ...], list[int]] = {}
    for number, line in enumerate(lines):
        by_seeds.setdefault(tuple(sorted(shared & set(run.seeds(line)))), []).append(number)
    by_seeds.pop((), None)
    found = list(cells)
    for seeds, numbers in by_seeds.items():
        worths = worth_in_originals(
            {line.size: run.counts(line, seeds) for line in curve},
            [(cells[number].size, run.counts(lines[number], seeds)) for number in numbers],
            groups=run.documents(curve[0].size),
            seed=RESAMPLING_SEED,
        )
        for number, worth in zip(numbers, worths, strict=True):
            found[number] = replace(cells[number], worth=worth, worth_seeds=len(seeds))
    without = [cell for cell in found if cell.worth is None]
    told = [f"{len(without)} of {len(found)} cells share no finished seed with {BASELINE} at every size."]
    return found, told if without else []


def _advice(run: Run, levels: Sequence[Level], cells: Sequence[AmountCell]) -> list[str]:
    """What to add to the settings."""
    advice = []
    if not cells:
        advice.append("No student that reads distilled labels is finished.")
    elif not any(mix.amounts for mix in run.settings.all_mixes):
        advice.append(
            "There is one amount of distilled sentences. To see how their number matters, give a mix several, such as "
            "`amounts: [250, 500, 1000, all]`."
        )
    worths = [cell.worth for cell in cells if cell.worth is not None]
    off = sum(1 for worth in worths if worth.above >= 0.5)
    if off:
        advice.append(
            f"{off} of {len(worths)} come out above {BASELINE} at its largest size, so how much more they are worth is "
            "not known: add larger sizes to `original.sizes`."
        )
    return advice
