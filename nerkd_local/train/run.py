"""One training run, from start to end, or from where it was interrupted to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

import torch

from nerkd_local.energy import Metering, add_joules
from nerkd_local.errors import InterruptedRun
from nerkd_local.files import write_json
from nerkd_local.fingerprints import digest_json
from nerkd_local.regimen.plan import replanned
from nerkd_local.student.card import CardFacts, Figure, write_card
from nerkd_local.student.checkpoint import open_checkpoint, save_checkpoint
from nerkd_local.student.device import pick_precision
from nerkd_local.student.model import save_student
from nerkd_local.student.windows import Windows
from nerkd_local.train.evaluation import evaluate, whole_table
from nerkd_local.train.evidence import evidence_so_far, gather_evidence, probes_of
from nerkd_local.train.exposure import replay
from nerkd_local.train.facts import card_facts
from nerkd_local.train.folder import FINISHED, TrainFolder
from nerkd_local.train.loading import load_parts
from nerkd_local.train.loop import Parts, Step, new_optimizer, run_steps
from nerkd_local.train.messages import tell
from nerkd_local.train.opening import Opening, fix_arithmetic, open_run
from nerkd_local.train.ranks import check_same, from_first_rank, join_ranks, joined_ranks, together
from nerkd_local.train.settings import TrainSettings
from nerkd_local.train.state import restore_state, restore_weights, state_tensors


def train(
    settings: TrainSettings,
    *,
    stop: Callable[[], bool] = lambda: False,
    checkpoint_at: Collection[int] = (),
    saved: Callable[[int], None] = lambda steps: None,
) -> TrainFolder:
    """Train as the settings say, resuming what the output folder holds of this run; returns the folder.

    Called by every rank. A finished run is left as it is. On a CPU, the same world size, threads and
    precision give the same weights to the last bit, interrupted or not. Reseeds torch's global generators.
    `stop` is asked after each step. A checkpoint is also saved after the numbers of steps in `checkpoint_at`; after
    every checkpoint, rank 0 calls `saved` with the steps that it holds. Raises InterruptedRun if `stop` (on any rank)
    said yes, with everything saved; InputError for inputs that do not fit (RankFailed on ranks other than the one
    that says so).
    """
    began = time.monotonic()
    accelerator = join_ranks()
    fix_arithmetic(settings, accelerator.device)
    folder = TrainFolder(settings.output)
    with ExitStack() as held:
        opening = together(accelerator, lambda: open_run(settings, folder, accelerator.is_main_process, held))
        check_same(accelerator, digest_json(opening.fingerprints))
        start = from_first_rank(accelerator, opening.start)
        if start == FINISHED:
            return folder
        metering = held.enter_context(Metering(None if accelerator.is_main_process else ()))
        run = _Run(settings, folder, accelerator, opening, start, began, metering, saved, stop)
        steps = len(opening.plan.steps)
        done = (
            start
            if start and not run.catch_up(start)
            else run_steps(
                run.parts,
                settings,
                start,
                stop=stop,
                log=run.log,
                checkpoint=run.save_checkpoint,
                checkpoint_at=checkpoint_at,
                evaluate=run.evaluate,
                before=run.ask,
            )
        )
        if done < steps or not run.evaluate_last():
            raise InterruptedRun(
                f"stopped after {done} of {steps} steps, saved in {folder.checkpoints}; the same command goes on "
                "from there"
            )
        run.finish()
    return folder


class _Run:
    """A run under way: its parts, and what it writes."""

    def __init__(
        self,
        settings: TrainSettings,
        folder: TrainFolder,
        accelerator: Any,
        opening: Opening,
        start: int,
        began: float,
        metering: Metering,
        saved: Callable[[int], None],
        stop: Callable[[], bool],
    ) -> None:
        self.stop = stop
        self.settings, self.folder, self.fingerprints = settings, folder, opening.fingerprints
        self._planned = opening.plan
        self.first = accelerator.is_main_process
        self.machine = {
            "world_size": accelerator.num_processes,
            "threads": torch.get_num_threads(),
            "precision": pick_precision(settings.precision, accelerator.device),
            "device": accelerator.device.type,
        }
        self.began, self._metering = began, metering
        self._metered_before: dict[str, float] | None = None
        self.saved = saved
        loaded, checkpoint = together(accelerator, lambda: load_parts(settings, opening.plan, folder, start))
        self.model, self.tokenizer, self.vocabulary, self.table = loaded.student
        embeddings = self.model.get_input_embeddings().weight
        optimizer, self.names = new_optimizer(self.model, embeddings, settings)
        model, optimizer = accelerator.prepare(self.model, optimizer)
        model.train()
        if checkpoint is not None:
            restore_state(checkpoint, self.model, optimizer, self.names, self.vocabulary, self.table)
            self.began -= checkpoint.meta["wall_s"]
            self._metered_before = checkpoint.meta.get("energy_j", {})
            self._tell_changes(checkpoint.meta["machine"])
        if loaded.dropout.draws and self.first:
            tell("this encoder drops out by itself: the weights will depend on the number of processes")
        self.documents = loaded.evaluation
        channel = None if loaded.channel is None else loaded.channel.to(accelerator.device)
        self.parts = Parts(
            accelerator,
            model,
            optimizer,
            opening.plan,
            loaded.examples,
            loaded.layout,
            self.machine["precision"],
            loaded.dropout,
            self.model.get_input_embeddings().weight,
            channel,
        )
        self._evidence = (
            [] if opening.plan.adaptive is None else evidence_so_far(accelerator, opening.plan, folder.evidence)
        )
        if self._evidence:
            self.parts.plan = replanned(opening.plan, self._evidence)
        self._since: list[Step] = []
        self._saved_at = start

    def ask(self, number: int) -> None:
        """Before a step at which an adaptive regimen asks for evidence: gather it, and plan what follows anew."""
        plan, accelerator = self.parts.plan, self.parts.accelerator
        if number not in probes_of(plan) or any(each.step == number for each in self._evidence):
            return
        evidence = gather_evidence(self.parts, self.model, self.settings, number)
        if self.first:
            self.folder.evidence.add(evidence)
            found = "  ".join(f"{name} {u:.2f}" for name, u in evidence.alignment.items())
            tell(f"step {number}/{len(plan.steps)}  evidence: {found}")
        accelerator.wait_for_everyone()
        self._evidence.append(evidence)
        self.parts.plan = replanned(plan, self._evidence)

    def log(self, step: Step) -> None:
        """Write the ledger's line, and now and then a line on stderr."""
        if not self.first:
            return
        self.folder.exposure.add(step, self.parts.plan.steps[step.number])
        self._since.append(step)
        steps, done = len(self.parts.plan.steps), step.number + 1
        if done % self.settings.log_every == 0 or done == steps:
            loss = sum(sum(each.loss) for each in self._since) / max(sum(sum(each.labels) for each in self._since), 1)
            self._since = []
            tell(f"step {done}/{steps}  loss {loss:.4f}  {time.monotonic() - self.began:.0f} s")

    def save_checkpoint(self, steps: int) -> None:
        """Save all that the remaining steps depend on; every rank calls this, rank 0 writes. Not twice the same."""
        if steps == self._saved_at:
            return
        self._saved_at = steps
        if self.first:
            self.folder.exposure.keep()
            save_checkpoint(
                self.folder.checkpoints,
                steps,
                state_tensors(self.model, self.parts.optimizer, self.names, self.vocabulary),
                {
                    "fingerprints": self.fingerprints,
                    "machine": self.machine,
                    "wall_s": time.monotonic() - self.began,
                    **self._energy(),
                },
                keep=self.settings.keep_checkpoints,
                spare=self.folder.evaluations.best(),
            )
            self.saved(steps)
        self.parts.accelerator.wait_for_everyone()

    def evaluate(self, steps: int) -> bool:
        """Score the student; False if that was stopped. Every rank calls this. The best one's checkpoint is kept."""
        with whole_table(self.model, self.vocabulary, self.table):
            counts = evaluate(
                self.parts.accelerator,
                self.model,
                self.tokenizer,
                self.documents,
                max_tokens=self.settings.max_tokens,
                stride=self.settings.stride,
                precision=self.settings.precision,
                stop=self.stop,
            )
        if counts is None:
            return False
        best = 0
        if self.first:
            row = self.folder.evaluations.add(steps, counts)
            tell(f"step {steps}/{len(self.parts.plan.steps)}  " + "  ".join(f"{k} {row[k]:.4f}" for k in list(row)[1:]))
            best = self.folder.evaluations.best() or 0
        if from_first_rank(self.parts.accelerator, best) == steps:
            self.save_checkpoint(steps)
        return True

    def catch_up(self, steps: int) -> bool:
        """Make up for an evaluation in which an earlier process was stopped; False if this one was as well."""
        every, last = self.settings.evaluate_every, len(self.parts.plan.steps)
        if steps == last or not every or steps % every or self._evaluated(steps):
            return True
        return self.evaluate(steps)

    def evaluate_last(self) -> bool:
        """The evaluation after the last step, if it is wanted and not there; False, all saved, if it was stopped."""
        steps = len(self.parts.plan.steps)
        if self.settings.evaluation is None or self._evaluated(steps) or self.evaluate(steps):
            return True
        self.save_checkpoint(steps)
        return False

    def _evaluated(self, steps: int) -> bool:
        there = self.first and self.folder.evaluations.holds(steps)
        return bool(from_first_rank(self.parts.accelerator, int(there)))

    def finish(self) -> None:
        """Save the student, then `done.json`, which says that all else is there."""
        accelerator = self.parts.accelerator
        ranks = joined_ranks(accelerator)
        if self.first:
            kept = len(self.parts.plan.steps)
            if self.settings.keep == "best" and (best := self.folder.evaluations.best()) is not None:
                kept = best
                restore_weights(open_checkpoint(self.folder.checkpoints, best), self.model, self.vocabulary, self.table)
            windows = Windows(max_tokens=self.settings.max_tokens, stride=self.settings.stride)
            self.vocabulary.put_back(self.model, self.table)
            save_student(self.model, self.tokenizer, self.folder.student, windows)
            write_card(self.folder.student, self._facts(kept))
            self.folder.exposure.keep()
            write_json(
                self.folder.done,
                {
                    "fingerprint": digest_json(self.fingerprints),
                    "fingerprints": self.fingerprints,
                    "steps": len(self.parts.plan.steps),
                    "weights": self.folder.weights_digest(),
                    "examples": replay(self.folder.exposure.path, self.parts.plan),
                    "ranks": ranks,
                    **self.machine,
                    "wall_s": round(time.monotonic() - self.began, 3),
                    **self._energy(),
                },
            )
        accelerator.wait_for_everyone()

    def _energy(self) -> dict[str, dict[str, float]]:
        """Joules by meter of this rank's machine, what a checkpoint had counted included; nothing without a meter."""
        self._metering.look()
        joules = self._metering.joules
        joules = joules if self._metered_before is None else add_joules(self._metered_before, joules)
        return {"energy_j": joules} if joules else {}

    def _facts(self, kept: int) -> CardFacts:
        """`kept`: after how many steps the student's weights are."""
        evaluation, row = self.settings.evaluation, self.folder.evaluations.row(kept)
        figures = (
            [Figure(evaluation.name, None, row["precision"], row["recall"], row["f1"])] if evaluation and row else []
        )
        return card_facts(
            self.settings,
            self._planned,
            self.fingerprints,
            followed=self.parts.plan,
            precision=self.machine["precision"],
            figures=figures,
            evaluation_sha256={evaluation.name: self.fingerprints["evaluation"]} if evaluation and row else {},
        )

    def _tell_changes(self, before: dict[str, Any]) -> None:
        changes = [f"{key} {before[key]} -> {now}" for key, now in self.machine.items() if before[key] != now]
        if changes and self.first:
            tell(
                f"resumed with {', '.join(changes)}: the same examples, but the weights will not be those of "
                "an uninterrupted run to the last bit"
            )
