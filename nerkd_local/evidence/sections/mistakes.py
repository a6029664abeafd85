"""What students make of the annotator's mistakes: the tables of `evidence.against_annotator`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nerkd_local.evidence.against_annotator import (
    AgainstRow,
    Study,
    against_rows,
    corrected,
    read_study,
    spoilt,
    why_no_study,
)
from nerkd_local.evidence.cells import examples_table, flat, share
from nerkd_local.evidence.evaluated import Found
from nerkd_local.evidence.run import Run
from nerkd_local.evidence.where import LEVEL, Where
from nerkd_local.report.parts import Part, Table, Text
from nerkd_local.report.tables import NOTHING
from nerkd_local.stats.bootstrap import Interval

_EXAMPLES = 6


def against_annotator(run: Run, found: Sequence[Where]) -> Iterator[Part]:
    """A table of each size by what the annotator made of a mention and one by type, and examples of the last size.

    Where the annotator has not labelled the evaluation sentences, how to get that, if it can be.
    """
    studies = [(each, study) for each in found if (study := read_study(run, each.evaluated))]
    if not studies:
        yield Text(why_no_study(run))
        return
    for where, study in studies:
        rows = [row for line in where.found for row in against_rows(study, line)]
        yield from _against_tables(where, study, rows)
    where, study = studies[-1]
    yield from _against_examples(where.size, study, where.found[1])


def _against_tables(where: Where, study: Study, rows: Sequence[AgainstRow]) -> Iterator[Part]:
    records = tuple(flat(row) for row in rows)
    headers = ("annotator", "mentions", "line", "student right", "student the same")
    overall = [row for row in rows if row.label is None]
    kinds = list(dict.fromkeys(row.outcome for row in overall))
    left_out = f"; {study.others:,} sentences without a usable answer are left out" if study.others else ""
    yield Table(
        f"annotator-{where.size}",
        f"What the students make of the annotator's mistakes, {where.size:,} original sentences",
        headers,
        tuple(
            (row.outcome, f"{row.mentions:,}", row.line, share(row.right), _same(row))
            for kind in kinds
            for row in overall
            if row.outcome == kind
        ),
        ("annotator", "line", "student right", "student the same"),
        f"{study.name}, on {len(study.sentences):,} evaluation sentences{left_out}. By what the annotator made of a "
        "mention, the share that the students have right, and the share where they have exactly what the annotator has "
        "(of a missed one: nothing). Of spurious mentions, right is not to have it. Means over the seeds, with "
        f"{LEVEL:.0%} intervals over documents.",
        records,
    )
    by_type = ("type", "line", "annotator wrong", "student right", "annotator right", "student wrong")
    pairs = dict.fromkeys((row.label, row.line) for row in rows if row.label is not None)
    cells = []
    for label, line in sorted(pairs, key=lambda pair: str(pair[0])):
        by = {row.outcome: row for row in rows if (row.label, row.line) == (label, line)}
        wrong, right = by.get("wrong"), by.get("right")
        cells.append(
            (
                str(label),
                line,
                f"{wrong.mentions:,}" if wrong else "0",
                share(wrong.right) if wrong else NOTHING,
                f"{right.mentions:,}" if right else "0",
                share(_rest(right.right)) if right else NOTHING,
            )
        )
    yield Table(
        f"annotator-types-{where.size}",
        f"The same by type, {where.size:,} original sentences",
        by_type,
        tuple(cells),
        ("type", "line", "student right", "student wrong"),
        "Types are the human ones.",
    )


def _against_examples(size: int, study: Study, found: Found) -> Iterator[Part]:
    shown = [("corrected", example) for example in corrected(study, found, _EXAMPLES)]
    shown += [("spoilt", example) for example in spoilt(study, found, _EXAMPLES)]
    if shown:
        yield examples_table(
            "annotator-examples",
            f"What {found.name} corrects and spoils in every seed, {size:,} original sentences",
            ("what", "human", "annotator", "student"),
            shown,
            "Corrected: the annotator has it wrong and the students of all seeds right. Spoilt: the reverse. "
            f"Shown is the student of seed {found.typical}.",
        )


def _same(row: AgainstRow) -> str:
    return NOTHING if row.outcome == "right" else share(row.same)


def _rest(interval: Interval) -> Interval:
    return Interval(1 - interval.mean, 1 - interval.high, 1 - interval.low)
