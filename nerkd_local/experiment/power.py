"""What the evaluation sentences can show at all, said before anything is annotated or trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.intervals import documents_of
from nerkd_local.experiment.lines import evaluation_files
from nerkd_local.stats.power import describe_smallest_difference


def describe_power(settings: ExperimentSettings, folder: RunFolder) -> list[str]:
    """One line for each evaluation: the smallest difference in F1 that it can tell from chance."""
    sizes = sorted(set(settings.original.sizes))
    evaluations = dict.fromkeys(evaluation_files(settings, folder, size) for size in sizes)
    return [_describe(files, len(settings.seeds)) for files in evaluations]


def _describe(files: tuple[Path, ...], seeds: int) -> str:
    gold = np.array([len(sentence.spans) for file in files for sentence in read_documents(file)])
    return describe_smallest_difference(gold, groups=documents_of(files), seeds=seeds)
