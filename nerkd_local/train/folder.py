"""The run folder: what lies in it, and whose run it is.

settings.json   the resolved settings          student/      the trained student
exposure.jsonl  a line a step: see `exposure`  checkpoints/  see `student.checkpoint`
evaluations.jsonl  see `evaluation`             evidence.jsonl  of an adaptive regimen: see `evidence`
done.json       fingerprints, world size, threads, time; there only when the run is finished
trained.json    what done.json said, once the student of a finished run was removed (see `forget_student`)
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest, digest_file
from nerkd_local.student.checkpoint import is_whole, newest_checkpoint
from nerkd_local.train.evaluation import EvaluationLog
from nerkd_local.train.evidence import EvidenceLog
from nerkd_local.train.exposure import ExposureLedger
from nerkd_local.train.identity import check_same_run
from nerkd_local.train.messages import tell

FINISHED = -1
_PATIENCE_S = 40.0  # longer than the ranks of a killed command need to end (see `train.launch`)


class TrainFolder:
    """The paths in a run's output folder, and the parts of it that need care. Rank 0 writes."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.settings = output / "settings.json"
        self.exposure = ExposureLedger(output / "exposure.jsonl")
        self.evaluations = EvaluationLog(output / "evaluations.jsonl")
        self.evidence = EvidenceLog(output / "evidence.jsonl")
        self.checkpoints = output / "checkpoints"
        self.student = output / "student"
        self.done = output / "done.json"
        self.trained = output / "trained.json"
        self.lock = output / ".lock"

    def forget_student(self) -> None:
        """Remove the student of a finished run. What it was shown stays, and can still be verified."""
        if self.done.exists():
            self.done.replace(self.trained)  # first: what says that the weights are there
        shutil.rmtree(self.student, ignore_errors=True)

    def machine(self) -> dict[str, Any]:
        """What a finished run was computed on and how: processes, threads, number format, kind of device."""
        for path in (self.done, self.trained):
            if path.is_file():
                done = read_json(path)
                return {name: done[name] for name in ("world_size", "threads", "precision", "device") if name in done}
        return {}

    def weights_digest(self) -> str:
        """SHA-256 over the student's weights: names and contents of its safetensors files."""
        files = sorted(self.student.glob("*.safetensors"))
        return digest(*(field for path in files for field in (path.name, digest_file(path))))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, so that no second run writes into it.

        If one does already, waits up to 40 s, with a line on stderr, for it to end: the ranks of a command that
        was killed are still saving. Raises InputError if it does not end.
        """
        from filelock import FileLock, Timeout

        self.output.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock)
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                tell(f"{self.output}: another run is writing here; waiting up to {_PATIENCE_S:g} s for it to end")
                lock.acquire(timeout=_PATIENCE_S, poll_interval=0.2)
        except Timeout:
            raise InputError("another run is writing here; wait for it or stop it", path=self.output) from None
        try:
            yield
        finally:
            lock.release()

    def resume_step(self, fingerprints: Mapping[str, Any]) -> int:
        """How many steps the newest good checkpoint has; 0 without one; FINISHED if the run is done.

        Raises InputError if what is there belongs to a run with other fingerprints.
        """
        # of kills in the middle of a write
        for leftover in self.output.glob(".*.tmp"):
            leftover.unlink()
        for leftover in self.output.glob(f".{self.student.name}.*"):
            shutil.rmtree(leftover)
        if self.done.is_file():
            check_same_run(read_json(self.done)["fingerprints"], fingerprints, self.done)
            return FINISHED
        checkpoint = newest_checkpoint(self.checkpoints)
        if checkpoint is None:
            return 0
        check_same_run(checkpoint.meta["fingerprints"], fingerprints, checkpoint.folder)
        return checkpoint.step

    def rewind(self, steps: int, probes: Collection[int] = (), evaluated: Collection[int] = ()) -> int:
        """Cut the logs back to the first so many steps, as what follows happens again; returns how many are kept.

        None are, with a line on stderr, where the ledger of these steps, what the probes before them (`probes`: all of
        the plan's) found, the evaluations on the way (`evaluated`: after how many steps), or the checkpoint of the best
        of them is damaged: the run starts over, so that all are whole at its end.
        """
        lines = self.exposure.cut(steps)
        self.evaluations.cut(steps)
        self.evidence.cut(steps)
        best = self.evaluations.best()
        if lines < steps:
            tell(f"{self.exposure.path}: holds {lines} of the {steps} steps done, the next is damaged; starting over")
        elif not {step for step in probes if step < steps} <= {each.step for each in self.evidence.read()}:
            tell(f"{self.evidence.path}: does not hold what the steps done were chosen by; starting over")
        elif not all(map(self.evaluations.holds, evaluated)):
            tell(f"{self.evaluations.path}: lacks evaluations of the steps done; starting over")
        elif best is not None and not is_whole(self.checkpoints, best):
            tell(f"{self.checkpoints}: the checkpoint of the best evaluation, step {best}, is damaged; starting over")
        else:
            return steps
        shutil.rmtree(self.checkpoints)
        for log in (self.exposure, self.evaluations, self.evidence):
            log.cut(0)
        return 0
