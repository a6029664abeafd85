"""The run folder: what lies in it, and whose run it is.

settings.json   the resolved settings          student/      the trained student
exposure.jsonl  a line a step: see `exposure`  checkpoints/  see `student.checkpoint`
evaluations.jsonl  see `evaluation`
done.json       fingerprints, world size, threads, time; there only when the run is finished
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.student.checkpoint import newest_checkpoint
from nerkd_local.train.evaluation import EvaluationLog
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
        self.checkpoints = output / "checkpoints"
        self.student = output / "student"
        self.done = output / "done.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, so that no second run writes into it.

        If one does already, waits up to 40 s, with a line on stderr, for it to end: the ranks of a command that
        was killed are still saving. Raises InputError if it does not end.
        """
        from filelock import FileLock, Timeout

        self.output.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.output / ".lock")
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
