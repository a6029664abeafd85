"""The exposure ledger: what a run has really shown its student, step by step, written as it happens.

A line a step: the examples by source, their labelled words and tokens (padding not counted), the learning rate, and
each source's mean loss a word. Against the plan it can be checked that exactly this was trained on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nerkd_local.errors import CheckFailed, InputError
from nerkd_local.files import json_line, read_json_lines
from nerkd_local.regimen.plan import Plan, PlanStep
from nerkd_local.train.logs import cut_log
from nerkd_local.train.loop import Step

_SOURCES = ("original", "distilled")


class ExposureLedger:
    """The ledger of a run under way. One process writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, steps: int) -> int:
        """Keep the first `steps` lines: what an interrupted run wrote after its checkpoint happens again.

        Returns how many are there: fewer if somebody has damaged the file.
        """
        if not self.path.exists():
            self.path.touch()
        return cut_log(self.path, lambda row: row["step"] < steps)

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
    totals = dict.fromkeys(_SOURCES, 0)
    steps = 0
    for row in replayed_rows(path, plan):
        steps += 1
        for source in _SOURCES:
            totals[source] += len(row[source]["ids"])
    if steps != len(plan.steps):
        raise CheckFailed(f"{path}: holds {steps} of the plan's {len(plan.steps)} steps")
    return totals


def replayed_rows(path: Path, plan: Plan) -> Iterator[dict[str, Any]]:
    """The ledger's lines, each checked to be the plan's step of its number; there may be fewer than the plan has.

    Raises as `replay` does.
    """
    for number, (line, row) in enumerate(read_json_lines(path)):
        if number >= len(plan.steps):
            raise CheckFailed(f"{path}:{line}: a step more than the plan's {len(plan.steps)}")
        step = plan.steps[number]
        if not all(isinstance(row.get(name), dict) and isinstance(row[name].get("ids"), list) for name in _SOURCES):
            raise InputError("is no line of an exposure ledger", path=path, line=line)
        shown = tuple(tuple(row[name]["ids"]) for name in _SOURCES)
        if row.get("step") != number or shown != (step.original, step.distilled):
            raise CheckFailed(f"{path}:{line}: step {number} was not trained on the plan's examples")
        yield row


def _row(step: Step, planned: PlanStep) -> dict[str, Any]:
    row: dict[str, Any] = {"step": step.number, "learning_rate": step.learning_rate}
    for index, (source, ids) in enumerate((("original", planned.original), ("distilled", planned.distilled))):
        words = step.labels[index]
        loss = step.loss[index] / words if words else None
        row[source] = {"ids": ids, "words": words, "tokens": step.tokens[index], "loss": loss}
    return row
