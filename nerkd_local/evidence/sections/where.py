"""Where the difference is: slice by slice, by kind of error, and against the annotator's own mistakes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from nerkd_local.evidence.cells import examples_table, flat, signed
from nerkd_local.evidence.chosen import Chosen, choose_lines
from nerkd_local.evidence.run import Run
from nerkd_local.evidence.sections.mistakes import against_annotator
from nerkd_local.evidence.sections.types import by_type, why_nothing
from nerkd_local.evidence.where import (
    LEVEL,
    PER,
    ErrorRow,
    SliceRow,
    Where,
    error_examples,
    look_where,
    mark_survivors,
)
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.report.parts import Figure, Part, Section, Table, Text
from nerkd_local.report.slices import ErrorBar, SliceMark, errors_figure, slices_figure

KEY, TITLE = "where", "Where the difference is"
EXAMPLES = 3
"""Shown of each kind."""


def section(
    run: Run,
    *,
    sizes: Collection[int] | None = None,
    others: Collection[str] | None = None,
    reference: str = BASELINE,
) -> Section:
    """For each size the reference, the best other line and simple_mix; or the sizes and lines named (see
    `choose_lines`)."""
    wanted = [size for size in sorted(set(run.settings.original.sizes)) if sizes is None or size in sizes]
    chosen = [each for size in wanted if (each := choose_lines(run, size, others, reference))]
    if not chosen:
        return Section(KEY, TITLE, "There are no two lines of one size to compare yet.")
    found = [where for one in chosen if (where := look_where(run, one))]
    if not found:
        return Section(KEY, TITLE, why_nothing(run, chosen), tuple(by_type(run, chosen)))
    slices = mark_survivors([row for each in found for row in each.slices])
    parts: list[Part] = [
        *_slices(slices),
        *_errors([row for each in found for row in each.errors]),
        *_error_examples(found[-1]),
        *against_annotator(run, found),
        *_missing(wanted, chosen, found),
    ]
    return Section(KEY, TITLE, _lead(slices, named=others is not None), tuple(parts))


def _lead(rows: Sequence[SliceRow], *, named: bool) -> str:
    if not rows:
        return (
            "The lines and those that they are compared with have no finished seed in common, so no difference can be "
            "told in slices yet."
        )
    better = sum(bool(row.survives) and row.difference.mean > 0 for row in rows)
    worse = sum(bool(row.survives) and row.difference.mean < 0 for row in rows)
    pairs = "; against ".join(
        f"{reference}: {', '.join(dict.fromkeys(f'{row.line} ({row.size:,})' for row in mine))}"
        for reference, mine in _by_reference(rows)
    )
    which = (
        ""
        if named
        else " Of each size that is the best other line by mean F1, which these very sentences flatter, and simple_mix "
        "where there is one."
    )
    single = any(row.seeds == 1 for row in rows)
    models = " Over one seed a difference is about two models, not about two regimens." if single else ""
    return (
        f"Against {pairs}.{which} These are {len(rows)} differences in slices of the same evaluation, looked at after "
        f"the fact.{models} After Holm's correction over all of them the line is better in {better} and worse in "
        f"{worse}; in the others the two cannot be told apart. Take them as questions for a next experiment."
    )


def _by_reference(rows: Sequence[SliceRow]) -> list[tuple[str, list[SliceRow]]]:
    """Sizes may have different references: the rows of each."""
    names = dict.fromkeys(row.reference for row in rows)
    return [(name, [row for row in rows if row.reference == name]) for name in names]


def _slices(rows: Sequence[SliceRow]) -> Iterator[Part]:
    if not rows:
        return
    reading = f"filled: told apart after Holm's correction over all {len(rows)}"
    for number, (reference, mine) in enumerate(_by_reference(rows)):
        yield Figure(
            f"slices-to-{_slug(reference)}" if number else "slices",
            f"The difference to {reference}, slice by slice",
            "",
            f"For each size and slice the difference in F1 to {reference} with its interval: {_extremes(mine)}.",
            partial(_draw_slices, [_mark(row) for row in mine], reference, reading),
        )
    yield Text(
        "A human mention counts in its own slice and a predicted one in its own: with a wrong type, one is missed and "
        "the other spurious, each in the slice of its type. Surface form: whether the same words, upper and lower case "
        "not told apart, were a labelled mention of any type in the human-labelled sentences at hand or in the line's "
        "LLM-labelled ones. Confidence: fifths of each student's own mentions, the least sure first; what is "
        "compared there is precision."
    )
    for size, line in dict.fromkeys((row.size, row.line) for row in rows):
        yield _slice_table([row for row in rows if (row.size, row.line) == (size, line)])


def _mark(row: SliceRow) -> SliceMark:
    difference = row.difference
    return SliceMark(
        row.size,
        row.slicing,
        row.slice,
        row.line,
        difference.mean,
        difference.low,
        difference.high,
        bool(row.survives),
    )


def _slice_table(rows: Sequence[SliceRow]) -> Table:
    first = rows[0]
    headers = (
        "slice",
        "entities",
        f"{first.reference}",
        f"{first.line}",
        f"difference ({LEVEL:.0%} interval)",
        "after Holm",
    )
    cells = tuple(
        (
            f"{row.slicing}: {row.slice}" + (" (precision)" if row.precision_only else ""),
            f"{row.entities:,.0f}",
            f"{row.reference_f1.mean:.3f}",
            f"{row.f1.mean:.3f}",
            signed(row.difference),
            ("better" if row.difference.mean > 0 else "worse") if row.survives else "not told apart",
        )
        for row in rows
    )
    return Table(
        f"slices-{first.size}-{_slug(first.line)}",
        f"{first.line} against {first.reference}, {first.size:,} original sentences",
        headers,
        cells,
        (headers[0], headers[4], headers[5]),
        f"F1, means over {_seeds(first.seeds)}. Entities: human-labelled ones in the slice; of confidence, those of "
        f"{first.line} in a seed.",
        tuple(flat(row) for row in rows),
    )


def _errors(rows: Sequence[ErrorRow]) -> Iterator[Part]:
    bars = []
    for size, line in dict.fromkeys((row.size, row.line) for row in rows):
        mine = [row for row in rows if (row.size, row.line) == (size, line) and row.kind != "right"]
        bars.append(ErrorBar(size, line, {row.kind: row.rate.mean for row in mine}))
    said = "; ".join(f"{bar.line} at {bar.size:,}: {sum(bar.rates.values()):.0f}" for bar in bars)
    yield Figure(
        "errors",
        "What is wrong",
        "",
        f"Errors per {PER:,} human-labelled entities by kind, in all {said}.",
        partial(_draw_errors, bars),
    )
    yield Text(
        "A human and a predicted mention that overlap are one error: of the type where the borders are the same, of "
        "the boundary where the type is, of both otherwise. What is left is missed or spurious."
    )
    for size in dict.fromkeys(row.size for row in rows):
        mine = [row for row in rows if row.size == size]
        headers = ("line", "kind", "in a seed", f"per {PER:,} ({LEVEL:.0%} interval)", "difference to the first line")
        yield Table(
            f"errors-{size}",
            f"Errors by kind, {size:,} original sentences",
            headers,
            tuple(
                (
                    row.line,
                    row.kind,
                    f"{row.count:,.1f}",
                    f"{row.rate.mean:.1f} ({row.rate.low:.1f} to {row.rate.high:.1f})",
                    signed(row.difference, 1),
                )
                for row in mine
            ),
            (headers[0], headers[1], headers[3], headers[4]),
            f"Per {PER:,} human-labelled entities. Intervals: bootstrap over documents with seeds nested, of each "
            "number by itself.",
            tuple(flat(row) for row in mine),
        )


def _error_examples(where: Where) -> Iterator[Part]:
    found = where.found[1]
    shown = list(error_examples(where.evaluated, found, EXAMPLES))
    if shown:
        yield examples_table(
            "error-examples",
            f"Examples of each kind: {found.name}, {where.size:,} original sentences, seed {found.typical}",
            ("kind", "human", "student"),
            [(kind, example) for kind, example in shown],
            "Drawn by a hash, from different documents where there are as many; the seed is that nearest the line's "
            "mean F1.",
        )


def _missing(sizes: Sequence[int], chosen: Sequence[Chosen], found: Sequence[Where]) -> Iterator[Part]:
    """What of the sizes and lines is not shown, and why."""
    alone = [f"{size:,}" for size in sizes if size not in {each.size for each in chosen}]
    if alone:
        yield Text(f"With {', '.join(alone)} original sentences there are no two lines to compare yet.")
    lost = [f"{each.size:,}" for each in chosen if each.size not in {where.size for where in found}]
    if lost:
        yield Text(
            f"With {', '.join(lost)} original sentences nothing is shown: what the students of the reference, or of "
            "all others, found was not kept."
        )
    apart = [
        f"{line.name} and {where.found[0].name} ({where.size:,})"
        for where in found
        for line in where.found[1:]
        if not set(line.seeds) & set(where.found[0].seeds)
    ]
    if apart:
        yield Text(f"Without a seed in common, so that their difference cannot be told: {', '.join(apart)}.")
    names = list(dict.fromkeys(name for each in found for name in each.not_kept))
    if names:
        few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        yield Text(f"What {len(names):,} of the students found was not kept, and their seeds are left out here: {few}.")


def _draw_slices(marks: Sequence[SliceMark], reference: str, reading: str, path: Path) -> None:
    slices_figure(marks, path, "", reference=reference, reading=reading, level=LEVEL)


def _draw_errors(bars: Sequence[ErrorBar], path: Path) -> None:
    errors_figure(bars, path, "")


def _extremes(rows: Sequence[SliceRow]) -> str:
    most = max(rows, key=lambda row: row.difference.mean)
    least = min(rows, key=lambda row: row.difference.mean)
    return " and ".join(
        f"{what} in {row.slicing} {row.slice} ({row.line}, {row.size:,}: {row.difference.mean:+.3f})"
        for what, row in (("largest", most), ("smallest", least))
    )


def _seeds(count: int) -> str:
    return "1 seed (two models compared, not two regimens)" if count == 1 else f"{count} seeds"


def _slug(name: str) -> str:
    return re.sub(r"[^\w@.+=~-]+", "-", name).strip("-")
