"""The exposure ledger: what a run has really shown its student, step by step, written as it happens.

A line a step: the examples by source, their labelled words and tokens (padding not counted), the learning rate, and
each source's mean loss a word. Against the plan it can be checked that exactly this was trained on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nerkd_local.errors import CheckFailed, InputError
from nerkd_local.files import atomic_writer, json_line, parse_json, read_json_lines
from nerkd_local.regimen.plan import Plan, PlanStep
from nerkd_local.train.loop import Step


class ExposureLedger:
    """The ledger of a run under way. One process writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, steps: int) -> None:
        """Keep the first `steps` lines: what an interrupted run wrote after its checkpoint happens again."""
        kept: list[dict[str, Any]] = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").split("\n"):
                try:
                    row = parse_json(line)
                except ValueError:  # torn
                    break
                if len(kept) == steps:
                    break
                kept.append(row)
        with atomic_writer(self.path) as stream:
            stream.writelines(map(json_line, kept))

    def add(self, step: Step, planned: PlanStep) -> None:
        """Write a step's line."""
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json_line(_row(step, planned)))

    def keep(self) -> None:
        """Put what is written on the disk; a checkpoint that is saved after this never knows more steps."""
        if self.path.exists():
            with self.path.open("rb") as stream:
                os.fsync(stream.fileno())


def replay(path: Path, plan: Plan) -> dict[str, int]:
    """Check that the ledger is the plan, step by step and example by example; returns the examples by source.

    Raises CheckFailed naming the first step that differs, InputError for a file that is no ledger.
    """
    totals = {"original": 0, "distilled": 0}
    number = -1
    for number, (line, row) in enumerate(read_json_lines(path)):
        if number >= len(plan.steps):
            raise CheckFailed(f"{path}:{line}: a step more than the plan's {len(plan.steps)}")
        step = plan.steps[number]
        if not {"step", *totals} <= row.keys() or not all(isinstance(row[source], dict) for source in totals):
            raise InputError("is no line of an exposure ledger", path=path, line=line)
        shown = {source: tuple(row[source].get("ids", ())) for source in totals}
        if row["step"] != number or shown != {"original": step.original, "distilled": step.distilled}:
            raise CheckFailed(f"{path}:{line}: step {number} was not trained on the plan's examples")
        for source in totals:
            totals[source] += len(shown[source])
    if number + 1 != len(plan.steps):
        raise CheckFailed(f"{path}: holds {number + 1} of the plan's {len(plan.steps)} steps")
    return totals


def mean_losses(path: Path) -> Iterator[Mapping[str, float | None]]:
    """Each step's mean loss a word by source; None for a source that the step has no word of."""
    for _, row in read_json_lines(path):
        yield {source: row[source]["loss"] for source in ("original", "distilled")}


def _row(step: Step, planned: PlanStep) -> dict[str, Any]:
    row: dict[str, Any] = {"step": step.number, "learning_rate": step.learning_rate}
    for index, (source, ids) in enumerate((("original", planned.original), ("distilled", planned.distilled))):
        words = step.labels[index]
        loss = step.loss[index] / words if words else None
        row[source] = {"ids": ids, "words": words, "tokens": step.tokens[index], "loss": loss}
    return row
