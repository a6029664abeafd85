"""One training run, from start to end, or from where it was interrupted to the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch

from nerkd_local.errors import InterruptedRun
from nerkd_local.files import write_json
from nerkd_local.fingerprints import digest_json
from nerkd_local.regimen.plan import Plan, load_plan
from nerkd_local.student.checkpoint import (
    Checkpoint,
    open_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from nerkd_local.student.device import pick_precision
from nerkd_local.student.model import check_length, new_student, save_student, student_tags
from nerkd_local.student.windows import Windows
from nerkd_local.train.data import SOURCES, Examples, load_examples, step_examples
from nerkd_local.train.folder import FINISHED, TrainFolder
from nerkd_local.train.identity import run_fingerprints
from nerkd_local.train.loop import Parts, Progress, learning_rate, new_optimizer, run_steps
from nerkd_local.train.messages import tell
from nerkd_local.train.ranks import check_same, from_first_rank, join_ranks, joined_ranks, together
from nerkd_local.train.settings import TrainSettings


def train(settings: TrainSettings, *, stop: Callable[[], bool] = lambda: False) -> TrainFolder:
    """Train as the settings say, resuming what the output folder holds of this run; returns the folder.

    Called by every rank. A finished run is left as it is. On a CPU, the same world size, threads and
    precision give the same weights to the last bit, interrupted or not. Reseeds torch's global generators.
    `stop` is asked after each step. Raises InterruptedRun if it (on any rank) said yes, with everything
    saved; InputError for inputs that do not fit (RankFailed on ranks other than the one that says so).
    """
    began = time.monotonic()
    accelerator = join_ranks()
    _fix_arithmetic(settings, accelerator.device)
    folder = TrainFolder(settings.output)
    with ExitStack() as held:
        opening = together(accelerator, lambda: _open(settings, folder, accelerator.is_main_process, held))
        check_same(accelerator, digest_json(opening.fingerprints))
        start = from_first_rank(accelerator, opening.start)
        if start == FINISHED:
            return folder
        run = _Run(settings, folder, accelerator, opening, start, began)
        finished = run_steps(
            run.parts,
            settings,
            run.progress,
            stop=stop,
            log=run.log,
            checkpoint=run.save_checkpoint,
        )
        if not finished:
            raise InterruptedRun(
                f"stopped after {run.progress.step} of {len(opening.plan.steps)} steps, saved in "
                f"{folder.checkpoints}; the same command goes on from there"
            )
        run.finish()
    return folder


class _Opening(NamedTuple):
    plan: Plan
    fingerprints: dict[str, Any]
    start: int
    """Steps already done, or FINISHED; known to rank 0 alone."""


def _open(settings: TrainSettings, folder: TrainFolder, first: bool, held: ExitStack) -> _Opening:
    plan = load_plan(settings.plan)
    fingerprints = run_fingerprints(settings, plan)
    start = 0
    if first:
        held.enter_context(folder.locked())
        start = folder.resume_step(fingerprints)
        if start != FINISHED:
            write_json(folder.settings, settings.model_dump(mode="json"))
            folder.cut_metrics(start)
    return _Opening(plan, fingerprints, start)


def _fix_arithmetic(settings: TrainSettings, device: torch.device) -> None:
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if device.type == "cuda":
        # cuBLAS sums in a fixed order only with a workspace of its own, chosen before its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


class _Run:
    """A run under way: its parts, how far it is, and what it writes."""

    def __init__(
        self,
        settings: TrainSettings,
        folder: TrainFolder,
        accelerator: Any,
        opening: _Opening,
        start: int,
        began: float,
    ) -> None:
        self.settings, self.folder, self.fingerprints = settings, folder, opening.fingerprints
        self.first = accelerator.is_main_process
        self.machine = {
            "world_size": accelerator.num_processes,
            "threads": torch.get_num_threads(),
            "precision": pick_precision(settings.precision, accelerator.device),
            "device": accelerator.device.type,
        }
        self.progress = Progress(step=start)
        self.began = began
        self.totals = {
            "examples": dict.fromkeys(SOURCES, 0),
            "tokens": dict.fromkeys(SOURCES, 0),
        }
        self.counted = 0
        student, saved = together(accelerator, lambda: _load(settings, opening.plan, folder, start))
        self.model, self.tokenizer = student.model, student.tokenizer
        if saved is not None:
            self.model.load_state_dict(saved.tensors("model"))
        optimizer, self.names = new_optimizer(self.model, settings)
        model, optimizer = accelerator.prepare(self.model, optimizer)
        model.train()
        if saved is not None:
            restore_optimizer(optimizer, self.names, saved.tensors("optimizer"))
            self.progress.loss, self.progress.labels = saved.meta["loss"], saved.meta["labels"]
            self.began -= saved.meta["wall_s"]
            self._tell_changes(saved.meta["machine"])
        self.parts = Parts(
            accelerator,
            model,
            optimizer,
            opening.plan,
            student.examples,
            self.tokenizer.pad_token_id,
            self.machine["precision"],
        )

    def log(self, progress: Progress) -> None:
        """Add the metrics line: mean loss a labelled word since the last one, examples and real tokens
        (padding not counted) a source since the start."""
        steps = self.parts.plan.steps
        for step in steps[self.counted : progress.step]:
            for example in step_examples(step, self.parts.examples):
                self.totals["examples"][example.source] += 1
                self.totals["tokens"][example.source] += example.tokens
        self.counted = progress.step
        if not self.first:
            return
        loss = progress.loss / max(progress.labels, 1)
        self.folder.add_metrics(
            {
                "step": progress.step,
                "loss": loss,
                "learning_rate": learning_rate(self.settings, progress.step - 1, len(steps)),
                **self.totals,
            }
        )
        seconds = time.monotonic() - self.began
        tell(f"step {progress.step}/{len(steps)}  loss {loss:.4f}  {seconds:.0f} s")

    def save_checkpoint(self, progress: Progress) -> None:
        """Save all that the remaining steps depend on; every rank calls this, rank 0 writes."""
        if self.first:
            save_checkpoint(
                self.folder.checkpoints,
                progress.step,
                {
                    "model": self.model.state_dict(),
                    "optimizer": optimizer_tensors(self.parts.optimizer, self.names),
                },
                {
                    "fingerprints": self.fingerprints,
                    "machine": self.machine,
                    "loss": progress.loss,
                    "labels": progress.labels,
                    "wall_s": time.monotonic() - self.began,
                },
                keep=self.settings.keep_checkpoints,
            )
        self.parts.accelerator.wait_for_everyone()

    def finish(self) -> None:
        """Save the student, then `done.json`, which says that all else is there."""
        accelerator = self.parts.accelerator
        ranks = joined_ranks(accelerator)
        if self.first:
            windows = Windows(max_tokens=self.settings.max_tokens, stride=self.settings.stride)
            save_student(self.model, self.tokenizer, self.folder.student, windows)
            write_json(
                self.folder.done,
                {
                    "fingerprint": digest_json(self.fingerprints),
                    "fingerprints": self.fingerprints,
                    "steps": self.progress.step,
                    "ranks": ranks,
                    **self.machine,
                    "wall_s": round(time.monotonic() - self.began, 3),
                },
            )
        accelerator.wait_for_everyone()

    def _tell_changes(self, before: dict[str, Any]) -> None:
        changes = [f"{key} {before[key]} -> {now}" for key, now in self.machine.items() if before[key] != now]
        if changes and self.first:
            tell(
                f"resumed with {', '.join(changes)}: the same examples, but the weights will not be those of "
                "an uninterrupted run to the last bit"
            )


class _Loaded(NamedTuple):
    model: Any
    tokenizer: Any
    examples: Examples


def _load(settings: TrainSettings, plan: Plan, folder: TrainFolder, start: int) -> tuple[_Loaded, Checkpoint | None]:
    model, tokenizer = new_student(settings.student, settings.labels, settings.seed, dropout=settings.dropout)
    check_length(model, settings.max_tokens)
    examples = load_examples(
        plan,
        {"original": settings.original, "distilled": settings.distilled},
        tokenizer,
        student_tags(model),
        max_tokens=settings.max_tokens,
        stride=settings.stride,
    )
    saved = open_checkpoint(folder.checkpoints, start) if start else None
    return _Loaded(model, tokenizer, examples), saved
