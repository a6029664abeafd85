"""A made-up run with several amounts, whose students are as good as the numbers of sentences that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from pathlib import Path
from typing import Any

from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.cells import list_cells, student_of
from nerkd_local.experiment.folder import RunFolder
from tests.evidence.runs import run_settings, write_run, write_student

SIZES = (5, 10, 20, 40)
ALL = 23
"""Of 24, one stands in the evaluation corpus too."""
AMOUNTS: tuple[int | str, ...] = (6, 12, "all")


def skill_of(size: int | None, amount: int | None) -> float:
    """A tenth more for each doubling of human-labelled sentences; of distilled ones four are as good as one."""
    return 0.3 + 0.1 * log2(((size or 0) + (amount or 0) / 4) / 5)


def write_amounts(
    root: Path,
    *,
    regimens: Sequence[str] = ("original_only", "distilled_only", "linear"),
    sizes: Sequence[int] = SIZES,
    seeds: Sequence[int] = (0, 1),
    mixes: Sequence[Mapping[str, Any]] = ({"sources": ["news"], "amounts": AMOUNTS, "sizes": [5, 20]},),
    unfinished: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
) -> Run:
    """The run in `root/run`, with `ALL` usable distilled sentences in all."""
    asked: dict[str, Any] = {"mixes": list(mixes), **(more or {})}
    cells = list_cells(run_settings(root, regimens=regimens, sizes=sizes, seeds=seeds, more=asked))
    settings = write_run(
        root,
        regimens=regimens,
        sizes=sizes,
        seeds=seeds,
        distilled=ALL + 1,
        evaluation=80,
        unfinished=[cell.name for cell in cells],  # written below
        more=asked,
    )
    folder = RunFolder(settings.output)
    amounts = {mix.name: mix.amount or ALL for mix in settings.all_mixes}
    for cell in cells:
        if cell.name not in unfinished:
            skill = skill_of(cell.original_size, amounts[cell.mix] if cell.mix else None)
            write_student(student_of(cell, settings, folder), settings, folder, skill)
    return open_run(settings.output)
