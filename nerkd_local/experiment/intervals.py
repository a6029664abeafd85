"""The intervals of an experiment's scores: over the evaluation's documents, the same wherever they are shown."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nerkd_local.corpus.folds import document_names
from nerkd_local.corpus.jsonl import read_documents

RESAMPLING_SEED = 0
"""Of every bootstrap: equal counts have equal intervals, in a table and on a card."""


@lru_cache(maxsize=64)
def documents_of(files: tuple[Path, ...]) -> npt.NDArray[np.int64]:
    """For each sentence of the files, the number of the document it belongs to. Shape: (sentences,)."""
    numbers: dict[str, int] = {}
    names = document_names(sentence for file in files for sentence in read_documents(file))
    return np.array([numbers.setdefault(name, len(numbers)) for name in names.values()], np.int64)
