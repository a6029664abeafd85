"""The evaluation sentences of one size with their human labels, and what chosen lines found on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError
from nerkd_local.evaluate.counts import strict_entities
from nerkd_local.evaluate.spans import SpanTable, make_table
from nerkd_local.evidence.chosen import line_name, typical_seed
from nerkd_local.evidence.predictions import LineSpans, line_spans
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import Line, evaluation_files
from nerkd_local.fingerprints import digest_file
from nerkd_local.records import Document


@dataclass(frozen=True)
class Evaluated:
    """`parts[i]` is which of the evaluation's files sentence i is of (with folds there are several), and `groups[i]`
    its document; both have the shape (sentences,)."""

    size: int
    documents: Sequence[Document]
    parts: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]

    @cached_property
    def words(self) -> list[list[str]]:
        """Of every sentence."""
        return [document.words for document in self.documents]

    @cached_property
    def gold(self) -> SpanTable:
        """The human labels."""
        return gold_table(self.documents)


@dataclass(frozen=True)
class Found:
    """What a line's students found: a table for each of `seeds`. `not_kept` names the students of which nobody knows.
    `typical` is the seed nearest the line's mean F1 among them."""

    line: Line
    name: str
    seeds: tuple[int, ...]
    tables: tuple[SpanTable, ...]
    not_kept: tuple[str, ...]
    typical: int

    def of_seed(self, seed: int) -> SpanTable:
        """The table of that seed."""
        return self.tables[self.seeds.index(seed)]


def read_evaluated(run: Run, size: int) -> Evaluated | None:
    """The evaluation of a size's lines; None where its corpus is not in the folder.

    Raises InputError for a file that is damaged, or that is not the one that a student was scored on.
    """
    files = evaluation_files(run.settings, run.folder, size)
    if not all(file.exists() for file in files):
        return None
    digests = {digest_file(file) for file in files}
    for line in run.lines:
        if line.size == size:
            for seed in run.seeds(line):
                for name, evaluation in line.parts[seed]:
                    if run.results[name]["made_from"]["evaluation"].get(evaluation) not in digests:
                        raise InputError(f"is not what {name} was scored on; it has changed since", path=files[0])
    documents = [list(read_documents(file)) for file in files]
    return Evaluated(
        size,
        [document for part in documents for document in part],
        np.repeat(np.arange(len(files)), [len(part) for part in documents]),
        run.documents(size),
    )


def read_found(run: Run, line: Line) -> Found | None:
    """What a line's students found, of all seeds that are finished and kept; None where none is."""
    spans: LineSpans = line_spans(run, line)
    seeds = tuple(spans.by_seed)
    if not seeds:
        return None
    tables = tuple(spans.by_seed.values())
    return Found(line, line_name(run, line), seeds, tables, spans.not_kept, typical_seed(run, line, seeds))


def gold_table(documents: Sequence[Document]) -> SpanTable:
    """The documents' own mentions, in tokens."""
    return make_table(strict_entities(spans_to_tags(document)) for document in documents)
