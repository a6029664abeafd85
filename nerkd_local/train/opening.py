"""The beginning of a run: whose folder it is, where it goes on, and arithmetic that repeats itself."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch

from nerkd_local.files import write_json
from nerkd_local.regimen.plan import Plan, load_plan
from nerkd_local.train.evidence import probes_of
from nerkd_local.train.folder import FINISHED, TrainFolder
from nerkd_local.train.identity import run_fingerprints
from nerkd_local.train.settings import TrainSettings


class Opening(NamedTuple):
    """What a run is made of."""

    plan: Plan
    fingerprints: dict[str, Any]
    start: int
    """Steps already done, or FINISHED; known to rank 0 alone."""


def open_run(settings: TrainSettings, folder: TrainFolder, first: bool, held: ExitStack) -> Opening:
    """Read the plan; the first rank also holds the folder until `held` is closed, its logs cut to where it goes on.

    Raises InputError for inputs that are not there, and a folder of another run or in use.
    """
    plan = load_plan(settings.plan)
    fingerprints = run_fingerprints(settings, plan)
    start = 0
    if first:
        held.enter_context(folder.locked())
        start = folder.resume_step(fingerprints)
        if start != FINISHED:
            folder.trained.unlink(missing_ok=True)
            write_json(folder.settings, settings.model_dump(mode="json"))
            every = settings.evaluate_every
            start = folder.rewind(start, probes_of(plan), range(every, start, every) if every else ())
    return Opening(plan, fingerprints, start)


def fix_arithmetic(settings: TrainSettings, device: torch.device) -> None:
    """Take the threads that are wanted, and on CUDA the algorithms that sum in a fixed order, where there are such."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        # cuBLAS sums in a fixed order only with a workspace of its own, chosen before its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
