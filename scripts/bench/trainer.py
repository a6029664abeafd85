"""An epoch by this project's trainer, in process: `train.run.train` on a plan of `original_only`.

The loop over the steps alone is timed, its ledger included; neither loading nor tokenizing, nor saving the student.

    python trainer.py TRAIN.jsonl DEV.jsonl ENCODER OUTPUT --batch-size 8 --seed 1 --learning-rate 2e-4
"""

from __future__ import annotations

import time
from typing import Any

from children import peak_mib, report, strict_f1
from jobs import Job, job_of

from nerkd_local import memory, offline, threads


def train_epoch(job: Job) -> dict[str, Any]:
    """Train and save; seconds, real tokens and peak memory of the epoch.

    The last step is filled up with sentences of the next pass. The schedule is the recipe's, without a warm-up.
    """
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.files import read_json_lines
    from nerkd_local.regimen.catalog import load_regimen
    from nerkd_local.regimen.plan import build_plan, save_plan
    from nerkd_local.train import run
    from nerkd_local.train.settings import TrainSettings

    ids = [document.id for document in read_documents(job.train)]
    plan = build_plan(
        load_regimen("original_only", configs_folder("regimens")),
        ids,
        [],
        steps=-(-len(ids) // job.batch_size),
        batch_size=job.batch_size,
        seed=job.seed,
    )
    job.output.mkdir(parents=True, exist_ok=True)
    save_plan(plan, job.output / "plan.jsonl")
    settings = TrainSettings(
        student=job.encoder,
        labels=job.labels,
        plan=job.output / "plan.jsonl",
        original=job.train,
        output=job.output,
        seed=job.seed,
        learning_rate=job.learning_rate,
        weight_decay=job.weight_decay,
        warmup_share=0.0,
    )
    found: dict[str, Any] = {}
    steps = run.run_steps

    def timed(*given: Any, **named: Any) -> int:
        began, busy = time.perf_counter(), time.process_time()
        done = steps(*given, **named)
        took, busy = time.perf_counter() - began, time.process_time() - busy
        found.update(seconds=took, cpu_s=busy, peak_mib=peak_mib())
        return done

    run.run_steps = timed
    folder = run.train(settings)
    tokens = sum(row["original"]["tokens"] for _, row in read_json_lines(folder.exposure.path))
    return {**found, "tokens": tokens, "steps": len(plan.steps)}


def main() -> None:
    job = job_of(__doc__)
    measured = train_epoch(job)
    report(**measured, f1=strict_f1(job.output / "student", job.dev))


if __name__ == "__main__":
    offline.seal()
    threads.wait_politely()
    memory.keep_freed_memory()  # as a rank does
    main()
