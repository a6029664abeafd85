"""One epoch, as both trainers are told it on their command lines."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One epoch: what this trainer and the recipe are both told."""

    train: Path
    dev: Path
    encoder: Path
    output: Path
    batch_size: int
    seed: int
    learning_rate: float
    weight_decay: float
    labels: tuple[str, ...]


def job_of(about: str | None) -> Job:
    """The job on the command line."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "dev", "encoder", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--labels", nargs="+", default=["PER", "ORG", "LOC", "MISC"])
    given = vars(parser.parse_args())
    return Job(**{**given, "labels": tuple(given["labels"])})
