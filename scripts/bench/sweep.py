"""All regimens in one `nerkd run` against the same students trained and scored one by one, each by commands of its own.

Both work on corpora and annotations that are there already, and end with every student scored on the same sentences.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from children import nerkd, timed

from nerkd_local.config.folders import configs_folder
from nerkd_local.files import read_json

_STEP = re.compile(r"^step \d+/\d+  loss ", re.MULTILINE)
"""A trained step's line; `adaptive`'s probes have lines of their own."""


@dataclass(frozen=True)
class Sweep:
    """What is swept; `sampled`: how many students of it are trained one by one (the others take as long)."""

    data: Path
    encoder: Path
    evaluation: Path
    scratch: Path
    seeds: tuple[int, ...]
    steps: int
    sampled: int

    @property
    def regimens(self) -> list[str]:
        """All that are shipped."""
        return sorted(path.stem for path in configs_folder("regimens").glob("*.yaml"))

    def command(self, folder: Path, *more: str) -> list[str]:
        """`nerkd run` on the recorded answers, into `folder`."""
        settings = [
            f"output={folder}",
            f"data_root={self.data}",
            f"student={self.encoder}",
            f"annotator.engine.answers={self.data}/recorded/conll2003_student_train.jsonl",
            f"evaluation.path={self.evaluation}",
            f"regimens=[{', '.join(self.regimens)}]",
            f"seeds=[{', '.join(map(str, self.seeds))}]",
            f"training.steps={self.steps}",
            "training.log_every=1",  # the workers' logs then tell how many steps they took
            *more,
        ]
        experiment = configs_folder("experiments") / "first_light_recorded.yaml"
        return nerkd("run", experiment, *(word for each in settings for word in ("--set", each)))


def measure(sweep: Sweep) -> dict[str, Any]:
    """Seconds of the sweep, of one worker doing the same, and of the students one by one; what saved how much."""
    prepared = sweep.scratch / "prepared"
    timed([*sweep.command(prepared), "--no-train"])
    together, alone = sweep.scratch / "together", sweep.scratch / "one-worker"
    for folder in (together, alone):
        shutil.copytree(prepared, folder)
    sweep_s, _ = timed(sweep.command(together))
    worker_s, _ = timed(sweep.command(alone, "workers=1"))
    cells = sorted(path.parent for path in together.glob("cells/*/result.json"))
    every = max(len(cells) // sweep.sampled, 1)
    samples = [_one(cell, together, sweep) for cell in cells[::every]]
    commands_s = sum(sample["seconds"] for sample in samples) / len(samples) * len(cells)
    planned = len(cells) * sweep.steps
    taken = _steps_taken(together)
    # a step of one worker, from what its students say that they took; an adopted beginning counts as trained there
    spent = [read_json(path)["wall_s"] for path in alone.glob("cells/*/done.json")]
    step_s = sum(spent) / len(spent) / sweep.steps if spent else 0.0
    shared_s = step_s * (planned - _steps_taken(alone))
    return {
        "students": len(cells),
        "sampled": len(samples),
        "seconds": {"sweep": sweep_s, "one worker": worker_s, "one by one": commands_s},
        "steps": {"planned": planned, "taken": taken},
        "ratio": sweep_s / commands_s,
        "saved": {
            "sharing of beginnings and twins": shared_s / commands_s,
            "packing on cores": (worker_s - sweep_s) / commands_s,
            "start-up": (commands_s - worker_s - shared_s) / commands_s,
        },
    }


def _one(cell: Path, together: Path, sweep: Sweep) -> dict[str, float]:
    """A student of the sweep again, by `nerkd train` and `nerkd predict` with all cores."""
    here = sweep.scratch / "one-by-one" / cell.name
    here.mkdir(parents=True)
    began = time.perf_counter()
    timed(nerkd("train", cell / "train.yaml", "--set", f"output={here}"))
    timed(nerkd("predict", here / "student", together / "corpus" / "evaluation.jsonl", "--output", here / "tags.jsonl"))
    return {"seconds": time.perf_counter() - began}


def _steps_taken(folder: Path) -> int:
    logs = folder.glob("logs/worker-*.log")
    return sum(len(_STEP.findall(path.read_text(encoding="utf-8", errors="replace"))) for path in logs)
