"""The cost curve: F1 by original size and distilled amount, what the distilled sentences are worth, what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from nerkd_local.config.experiment import MixSettings
from nerkd_local.evidence.amounts import AmountCell, Amounts, read_amounts, sentences_of
from nerkd_local.evidence.costs import Price, mix_price, training_cost
from nerkd_local.evidence.measures import MEASURES, duration, energy_text
from nerkd_local.evidence.run import Run
from nerkd_local.evidence.worth_text import describe_worth, worth_as_labelling, worth_cells
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.experiment.summary import student_name
from nerkd_local.report.amount_panels import CostScale
from nerkd_local.report.costs import AmountPoint, LevelPoint, amounts_figure
from nerkd_local.report.parts import Figure, Part, Section, Table, Text
from nerkd_local.report.tables import NOTHING
from nerkd_local.report.worth import WorthPoint, worth_figure

KEY, TITLE = "costs", "What distilled sentences are worth, and what they cost"
_DRAWN = 9
"""Panels of a figure, at most; a table has the rest."""


def section(run: Run, *, priced_by: Sequence[Path] = (), minutes_per_original: float | None = None) -> Section:
    """The curve as far as the run's sizes and amounts give one, and what to add to see more.

    `priced_by`: annotation folders whose costs are shown, where the run's own labels were recorded. Where
    `minutes_per_original` is given, worth is also shown as so much human labelling. Raises InputError for a folder of
    `priced_by` without an annotation.
    """
    amounts = read_amounts(run)
    if not amounts.cells:
        return Section(KEY, TITLE, " ".join(amounts.missing))
    mixes = {mix.whole_name: mix for mix in run.settings.all_mixes}
    prices = {name: mix_price(run, mix, sentences_of(run, _whole(mix)), priced_by) for name, mix in mixes.items()}
    shown = {name: prices[name] for name in dict.fromkeys(cell.mix for cell in amounts.cells)}
    parts = [
        *_figures(run, amounts, shown),
        _worth_table(amounts, minutes_per_original),
        *_cost_table(amounts, shown),
        Text(_whose(run, amounts, shown, minutes_per_original)),
        *(Text(line) for line in amounts.missing),
    ]
    return Section(KEY, TITLE, _lead(amounts), tuple(parts))


def _whole(mix: MixSettings) -> MixSettings:
    return mix.model_copy(update={"amounts": None})


def _lead(amounts: Amounts) -> str:
    cells = [cell for cell in amounts.cells if cell.worth is not None]
    if not cells:
        return f"F1 by the number of original and distilled sentences. {' '.join(amounts.missing)}"
    first = next((cell.regimen for cell in cells if cell.size), cells[0].regimen)
    largest: dict[int, AmountCell] = {}
    for cell in cells:
        if cell.regimen == first and cell.amount >= largest.get(cell.size, cell).amount:
            largest[cell.size] = cell
    said = [describe_worth(cell) for cell in list(largest.values())[:3]]
    signs = [cell.worth.sign for cell in cells if cell.worth is not None and cell.size]
    told = (
        f"Of all {len(signs):,} cells of regimen, original size and amount, {signs.count(1):,} are worth more than "
        f"nothing, {signs.count(-1):,} less, and {signs.count(0):,} cannot be told apart from it (95% intervals, each "
        "for itself)."
    )
    single = sum(1 for cell in cells if cell.worth_seeds == 1)
    alone = (
        f"{single:,} of the {len(cells):,} worths go by one seed: they are of these students, and what another seed "
        "does is not in their intervals."
    )
    return " ".join([*said, *([told] if len(signs) > len(said) else []), *([alone] if single else [])])


def _figures(run: Run, amounts: Amounts, prices: Mapping[str, Price | None]) -> list[Part]:
    if not amounts.varied:
        return []
    there = {(cell.regimen, cell.mix): _panel(cell, len(prices) > 1) for cell in amounts.cells}
    panels = dict(list(there.items())[:_DRAWN])
    cells = [cell for cell in amounts.cells if (cell.regimen, cell.mix) in panels]
    scales = _scales(cells, next(iter(prices.values()))) if len(prices) == 1 else []
    levels = [LevelPoint(each.size, each.f1.mean, each.f1.low, each.f1.high) for each in amounts.levels]
    points = [
        AmountPoint(panels[cell.regimen, cell.mix], cell.size, cell.amount, cell.f1.mean, cell.f1.low, cell.f1.high)
        for cell in cells
    ]
    caption = _caption(run, prices)
    if len(there) > len(panels):
        caption += f"; {len(there) - len(panels):,} more in the table"
    parts: list[Part] = [
        Figure(
            "cost_curve",
            "F1 by distilled sentences",
            "",
            "F1 over the number of distilled sentences, a line for each number of human-labelled ones beside them, "
            f"with the levels of {BASELINE}; the numbers are in the table below.",
            partial(_draw_amounts, points=points, levels=levels, caption=caption, scales=scales),
        )
    ]
    worths = [
        WorthPoint(
            panels[cell.regimen, cell.mix],
            cell.size,
            cell.amount,
            cell.worth.estimate,
            cell.worth.low,
            cell.worth.high,
            cell.worth.least,
            cell.worth.most,
        )
        for cell in cells
        if cell.worth is not None
    ]
    if worths:
        parts.append(
            Figure(
                "worth",
                "Worth in human-labelled sentences",
                "",
                "How many human-labelled sentences the distilled ones are worth, over their number, with intervals; "
                "the numbers are in the table below.",
                partial(_draw_worths, points=worths, caption=caption, scales=scales),
            )
        )
    return parts


def _draw_amounts(
    path: Path, points: Sequence[AmountPoint], levels: Sequence[LevelPoint], caption: str, scales: Sequence[CostScale]
) -> None:
    amounts_figure(points, levels, path, caption, scales=scales)


def _draw_worths(path: Path, points: Sequence[WorthPoint], caption: str, scales: Sequence[CostScale]) -> None:
    worth_figure(points, path, caption, scales=scales)


def _panel(cell: AmountCell, with_mix: bool) -> str:
    return f"{cell.regimen}, {cell.mix}" if with_mix else cell.regimen


def _caption(run: Run, prices: Mapping[str, Price | None]) -> str:
    settings = run.settings
    labels = ", ".join(dict.fromkeys(settings.annotator_of(source.annotator).name for source in settings.distilled))
    costs = ", ".join(dict.fromkeys(price.source for price in prices.values() if price and not price.free))
    scored = settings.evaluation.path.name if settings.evaluation else "the original sentences, by folds"
    return (
        f"{settings.name}: student {student_name(settings)}, {settings.training.steps} steps of "
        f"{settings.training.batch_size}; labels of {labels}"
        + (f", costs of {costs}, in proportion to the sentences" if costs else "")
        + f"; scored on {scored}; intervals over documents, seeds nested"
    )


def _scales(cells: Sequence[AmountCell], price: Price | None) -> list[CostScale]:
    if price is None:
        return []
    amounts = sorted({cell.amount for cell in cells})
    scales = []
    for measure in MEASURES:
        each = measure.of(price)
        if each is not None:
            scales.append(CostScale(measure.name, {amount: measure.write(each * amount) for amount in amounts}))
    return scales


def _cost_table(amounts: Amounts, prices: Mapping[str, Price | None]) -> list[Part]:
    """A row a mix and amount, with the measures that exist."""
    known = {name: price for name, price in prices.items() if price is not None and not price.free}
    measures = [measure for measure in MEASURES if any(measure.of(price) is not None for price in known.values())]
    if not measures:
        return []
    rows, records = [], []
    for mix, price in known.items():
        for amount in sorted({cell.amount for cell in amounts.cells if cell.mix == mix}):
            spent = [(measure, measure.of(price)) for measure in measures]
            rows.append(
                (
                    mix,
                    f"{amount:,}",
                    *(NOTHING if each is None else measure.write(each * amount) for measure, each in spent),
                )
            )
            each_field = {name: value for name, value in asdict(price).items() if isinstance(value, float)}
            records.append(
                {"mix": mix, "distilled": amount, **{name: value * amount for name, value in each_field.items()}}
            )
    headers = ("distilled source", "distilled", *(measure.name for measure in measures))
    caption = (
        "In proportion to the sentences, those without a usable answer and questions asked again included, the start "
        "of the engine not."
    )
    return [
        Table("costs", "What the distilled sentences cost", headers, tuple(rows), headers[:1], caption, tuple(records))
    ]


def _worth_table(amounts: Amounts, minutes: float | None) -> Table:
    mixed = len({cell.mix for cell in amounts.cells}) > 1
    headers = ["regimen", *(["distilled source"] if mixed else []), "original", "distilled", "seeds", "F1"]
    headers += ["95% interval", "worth in originals", "95% interval of it", "beyond the sizes"]
    headers += ["as human labelling"] if minutes is not None else []
    rows = [
        (
            cell.regimen,
            *([cell.mix] if mixed else []),
            f"{cell.size:,}" if cell.size else NOTHING,
            f"{cell.amount:,}",
            f"{cell.seeds}",
            f"{cell.f1.mean:.3f}",
            f"{cell.f1.low:.3f} to {cell.f1.high:.3f}",
            *worth_cells(cell.worth),
            *([worth_as_labelling(cell.worth, minutes)] if minutes is not None else []),
        )
        for cell in amounts.cells
    ]
    caption = (
        f"Worth: how many more human-labelled sentences {BASELINE} needs for the same F1, read off its curve (never "
        "falling, straight in the logarithm of the size between the sizes that were trained); beyond its sizes it is "
        "more than, or fewer than, and no number. The last share is of the resamples that ran off the sizes. "
        "Intervals: bootstrap over documents and seeds, the same resamples for the curve and the cell; each for "
        "itself, not corrected for their number."
    )
    return Table(
        "worth",
        "F1 and worth by original size and distilled amount",
        tuple(headers),
        tuple(rows),
        ("regimen", "distilled source", "95% interval", "95% interval of it"),
        caption,
        tuple(_record(cell) for cell in amounts.cells),
    )


def _record(cell: AmountCell) -> dict[str, object]:
    record: dict[str, object] = {
        "regimen": cell.regimen,
        "mix": cell.mix,
        "original": cell.size,
        "distilled": cell.amount,
        "seeds": cell.seeds,
        "f1_mean": cell.f1.mean,
        "f1_low": cell.f1.low,
        "f1_high": cell.f1.high,
        "worth_seeds": cell.worth_seeds,
    }
    worth = asdict(cell.worth) if cell.worth is not None else {}
    return record | {f"worth_{name}": value for name, value in worth.items()}


def _whose(run: Run, amounts: Amounts, prices: Mapping[str, Price | None], minutes: float | None) -> str:
    """Whose labels and whose costs are shown, and what training took."""
    settings = run.settings
    labels = ", ".join(dict.fromkeys(settings.annotator_of(source.annotator).name for source in settings.distilled))
    said = [f"The labels are those of {labels}."]
    known = [price for price in prices.values() if price is not None]
    asked = [price for price in known if not price.free]
    if asked:
        whose = ", ".join(dict.fromkeys(price.source for price in asked))
        said.append(f"The costs are those of {whose}.")
        known_names = {measure.name for measure in MEASURES for price in asked if measure.of(price) is not None}
        either = {"GPU-hours", "CPU core-hours"}
        known_names |= either if known_names & either else set()
        unknown = [measure.name for measure in MEASURES if measure.name not in known_names]
        said += [f"Not recorded: {', '.join(unknown)}."] if unknown else []
    elif known:
        said.append(
            "They were recorded, or made up by a script, so they cost nothing here. To see what an annotator of your "
            "own costs, annotate the same sentences with it (nerkd annotate), and name its folder: nerkd report "
            "--priced-by FOLDER."
        )
    else:
        said.append("What they cost is not known: the run was kept without its annotations.")
    trained = training_cost(run, [name for cell in amounts.cells for name in cell.students])
    if trained is not None:
        energy = f" and {energy_text(trained.joules)}" if trained.joules is not None else ""
        fewer = (
            f", over the {trained.known:,} of {trained.students:,} that say" if trained.known < trained.students else ""
        )
        said.append(
            f"Training a student took {duration(trained.seconds)}{energy} on average ({trained.device}){fewer}, for "
            "the same number of steps whatever it reads."
        )
    if minutes is not None:
        said.append(f"A human label is taken to cost {minutes:g} minutes a sentence, as told to nerkd report.")
    return " ".join(said)
