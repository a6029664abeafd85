"""What the adaptive regimen asks the student as training goes, and the log of the answers.

The law is in `regimen.adaptive`; here the gradients are taken. A probe depends on the weights before its step alone, so
a run that is resumed there finds the same; what it found is on the disk before the plan is changed by it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nerkd_local.errors import InputError
from nerkd_local.files import json_line, read_json_lines
from nerkd_local.records import Source
from nerkd_local.regimen.adaptive import ORIGINAL, Evidence, grouped, held_out, probe_sample, probe_steps
from nerkd_local.regimen.plan import Plan, replanned
from nerkd_local.train.data import micro_batches, step_pieces
from nerkd_local.train.logs import cut_log
from nerkd_local.train.loop import Parts, forward_tokens, piece_losses
from nerkd_local.train.ranks import from_first_rank, together
from nerkd_local.train.settings import TrainSettings

_GRID = 10**9
"""Alignments are kept in billionths: ranks tell each other whole numbers, and the log holds what was reckoned with."""


class EvidenceLog:
    """The run's `evidence.jsonl`: a line a probe, with its step and the alignment of every group. Rank 0 writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, steps: int) -> None:
        """Keep what was found before step `steps` or at it."""
        cut_log(self.path, lambda row: row["step"] <= steps)

    def add(self, evidence: Evidence) -> None:
        """Write a line, on the disk when the call returns."""
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json_line({"step": evidence.step, "alignment": dict(evidence.alignment)}))
            stream.flush()
            os.fsync(stream.fileno())

    def read(self, plan: Plan | None = None) -> list[Evidence]:
        """All that was found, in order. Raises InputError with the line for a file that is no such log, and, with a
        `plan`, for one that is not of its probes and groups."""
        steps = None if plan is None else probes_of(plan)
        names = None if plan is None else set(_group_names(plan))
        if not self.path.exists():
            return []
        found: list[Evidence] = []
        for line, row in read_json_lines(self.path):
            try:
                evidence = Evidence(int(row["step"]), {str(k): float(u) for k, u in row["alignment"].items()})
            except (AttributeError, KeyError, TypeError, ValueError):
                raise InputError("is no line of an evidence log", path=self.path, line=line) from None
            place = len(found)
            if steps is not None and (
                evidence.step not in steps[place : place + 1] or set(evidence.alignment) != names
            ):
                raise InputError(
                    "is not what the plan asks for here: another step, or other groups", path=self.path, line=line
                )
            found.append(evidence)
        return found


def as_trained(plan: Plan, log: EvidenceLog) -> Plan:
    """The plan as a run with this log has followed it, or will as far as is known."""
    return plan if plan.adaptive is None else replanned(plan, log.read(plan))


def evidence_so_far(accelerator: Any, plan: Plan, log: EvidenceLog) -> list[Evidence]:
    """Rank 0's log, on every rank. Raises InputError, on all of them, for a log that is not the plan's."""
    mine = together(accelerator, lambda: log.read(plan) if accelerator.is_main_process else [])
    names = _group_names(plan)
    return [
        Evidence(
            from_first_rank(accelerator, mine[n].step if mine else 0),
            {name: _agreed(accelerator, mine[n].alignment[name] if mine else 0.0) for name in names},
        )
        for n in range(from_first_rank(accelerator, len(mine)))
    ]


def probes_of(plan: Plan) -> list[int]:
    """Before which steps (from 0) the plan's regimen asks for evidence."""
    schedule = plan.adaptive
    return [] if schedule is None else probe_steps(schedule, len(plan.steps))


def gather_evidence(parts: Parts, model: Any, settings: TrainSettings, step: int) -> Evidence:
    """The alignment of every group before optimizer step `step`. Every rank takes all gradients: nothing is exchanged
    but rank 0's answer. `model` is the one that the accelerator has not wrapped; its gradients stay as they are.

    Cost: a backward pass over the held-out originals and `sample` sentences of every group. Memory: two gradients.
    """
    plan, schedule = parts.plan, parts.plan.adaptive
    assert schedule is not None
    assert plan.ids is not None
    fold = held_out(plan.ids["original"], schedule, plan.seed)
    judges = set(fold)
    rest = [id for id in plan.ids["original"] if id not in judges]
    samples: dict[str, list[tuple[Source, str]]]
    samples = {ORIGINAL: [("original", id) for id in probe_sample(rest, schedule, plan.seed, step)]}
    for name, ids in grouped(plan.ids["distilled"]).items():
        samples[name] = [("distilled", id) for id in probe_sample(ids, schedule, plan.seed, step)]
    model.eval()
    goal = _gradient(parts, model, settings, [("original", id) for id in fold])
    scale = max(_product(goal, goal), 1e-30)
    alignment = {
        name: _agreed(parts.accelerator, _product(_gradient(parts, model, settings, keys), goal) / scale)
        for name, keys in samples.items()
    }
    model.train()
    return Evidence(step, alignment)


def _gradient(
    parts: Parts, model: Any, settings: TrainSettings, keys: Sequence[tuple[Source, str]]
) -> list[torch.Tensor]:
    """That of the examples' mean loss a word, by all weights but the embeddings' that are trained at all."""
    weights = [each for each in model.parameters() if each.requires_grad and each is not parts.embeddings]
    total = [torch.zeros_like(each, dtype=torch.float32) for each in weights]
    examples = [parts.examples[key] for key in keys]
    words = sum(example.labels for example in examples)
    for group in micro_batches(step_pieces(examples, 0), forward_tokens(settings, parts.accelerator.device)):
        losses = piece_losses(parts, settings, group, model)
        # not `backward`: that would be shared with the other ranks, and added to the step's own gradients
        found = torch.autograd.grad(losses.sum() / max(words, 1), weights, allow_unused=True)
        for whole, part in zip(total, found, strict=True):
            if part is not None:
                whole += part
    return total


def _product(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> float:
    return sum(float(torch.dot(a.flatten(), b.flatten())) for a, b in zip(one, other, strict=True))


def _agreed(accelerator: Any, value: float) -> float:
    """Rank 0's value on every rank, in billionths."""
    bound = 1e6  # far outside of what counts, and a number even where a gradient overflowed
    whole = round(min(max(value, -bound), bound) * _GRID) if value == value else 0
    return from_first_rank(accelerator, whole) / _GRID


def _group_names(plan: Plan) -> list[str]:
    assert plan.ids is not None
    return [ORIGINAL, *grouped(plan.ids["distilled"])]
