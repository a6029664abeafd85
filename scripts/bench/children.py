"""Measured in a process of its own: its threads, its start and its peak memory are nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


def timed(command: list[str], threads: int | None = None, **environment: str) -> tuple[float, str]:
    """Seconds that a command takes, and its standard output. Ends the benchmark where the command fails.

    Without `threads` it chooses for itself.
    """
    chosen = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    began = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **chosen, **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])} ... ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return time.perf_counter() - began, done.stdout


def run_child(script: str, threads: int, *arguments: object) -> dict[str, Any]:
    """What one of the scripts beside this one reports, and `command_s`, the seconds that it took as a whole."""
    path = Path(__file__).with_name(script)
    took, output = timed([sys.executable, str(path), *map(str, arguments)], threads)
    return {**json.loads(output.splitlines()[-1]), "command_s": took}


def nerkd(*arguments: object) -> list[str]:
    """The command line of `nerkd` with these arguments."""
    return [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", *map(str, arguments)]


def report(**values: Any) -> None:
    """A child's last line."""
    print(json.dumps(values), flush=True)


def peak_mib() -> float:
    """The most memory that this process has had (VmHWM), in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell VmHWM")


def strict_f1(student: Path, dev: Path) -> float:
    """Strict F1 of a student, whoever trained it, read by the same code."""
    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.corpus.schemes import spans_to_tags
    from nerkd_local.evaluate.metrics import score_tags
    from nerkd_local.student.model import load_trained
    from nerkd_local.student.predict import predict

    documents = list(read_documents(dev))
    model, tokenizer = load_trained(student)
    tags = [answer.tags for answer in predict(model, tokenizer, documents)]
    return score_tags([spans_to_tags(document) for document in documents], tags).strict.f1
