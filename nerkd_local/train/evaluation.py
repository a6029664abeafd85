"""Scoring the student while it is trained: by all ranks, and without a trace in its weights.

Prediction draws nothing at random and changes no weight, so a run with evaluations ends in the bits of one without.
Every rank predicts its part and only three counts are added up, so nothing has to be gathered, and nothing is counted
twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError, nearest
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.files import json_line, read_json_lines
from nerkd_local.records import Document
from nerkd_local.student.device import Precision
from nerkd_local.student.predict import predict
from nerkd_local.student.vocabulary import Vocabulary
from nerkd_local.train.logs import cut_log

_ROUND = 512
"""Documents a rank predicts between two questions whether to stop: a few seconds on a CPU."""


class Counts(NamedTuple):
    """Entities of a whole evaluation file: found and right, found, and there. Strict IOB2."""

    correct: int
    predicted: int
    gold: int

    def scores(self) -> dict[str, float]:
        """Precision, recall and F1; what would be 0 / 0 is 0."""
        return {
            "precision": self.correct / max(self.predicted, 1),
            "recall": self.correct / max(self.gold, 1),
            "f1": 2 * self.correct / max(self.predicted + self.gold, 1),
        }


def read_evaluation(path: Path, labels: Sequence[str]) -> list[Document]:
    """The documents to score on. Raises InputError for none, and for a span whose label the student has no class for:
    it could only ever be missed."""
    documents = list(read_documents(path))
    if not documents:
        raise InputError("holds no document to evaluate on", path=path)
    for document in documents:
        for span in document.spans:
            if span.label not in labels:
                raise InputError(
                    f"document {document.id!r} has a span labelled {span.label!r}, which is not among the run's labels"
                    f"{nearest(span.label, labels)}",
                    path=path,
                )
    return documents


def evaluate(
    accelerator: Any,
    model: Any,
    tokenizer: Any,
    documents: Sequence[Document],
    *,
    max_tokens: int,
    stride: int,
    precision: Precision,
    stop: Callable[[], bool],
) -> Counts | None:
    """The counts over all documents, on every rank; None if any rank's `stop` said yes on the way.

    Every rank calls this with all documents and predicts every `world`-th. `model` has its whole table of embeddings
    (see `whole_table`) and is left in training mode if it was.
    """
    rank, world = accelerator.process_index, accelerator.num_processes
    total = torch.zeros(3, dtype=torch.int64, device=accelerator.device)
    training = model.training
    try:
        for start in range(0, len(documents), _ROUND * world):
            own = documents[start + rank : start + _ROUND * world : world]
            answers = predict(
                model,
                tokenizer,
                own,
                device=accelerator.device,
                max_tokens=max_tokens,
                stride=stride,
                precision=precision,
            )
            counts = sentence_counts([spans_to_tags(document) for document in own], [each.tags for each in answers])
            total += torch.from_numpy(counts.sum(0)).to(total)
            if accelerator.reduce(torch.tensor([int(stop())], device=total.device), reduction="sum").item():
                return None
    finally:
        model.train(training)
    return Counts(*accelerator.reduce(total, reduction="sum").tolist())


@contextmanager
def whole_table(model: Any, vocabulary: Vocabulary, table: torch.Tensor) -> Iterator[None]:
    """Within the block the model has the whole table of embeddings, the trained rows in their places; afterwards the
    very parameter that the optimizer knows. For `table` see `Vocabulary.cut`."""
    layer = model.get_input_embeddings()
    weights, rows, padding = layer.weight, layer.num_embeddings, layer.padding_idx
    vocabulary.put_back(model, table)
    try:
        yield
    finally:
        layer.weight, layer.num_embeddings, layer.padding_idx = weights, rows, padding


class EvaluationLog:
    """The run's `evaluations.jsonl`: a line an evaluation with step, precision, recall and f1. One process writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut(self, steps: int) -> None:
        """Keep the lines up to so many steps: those after a checkpoint are written again."""
        cut_log(self.path, lambda row: row["step"] <= steps)

    def add(self, steps: int, counts: Counts) -> dict[str, float]:
        """Write a line, on the disk when the call returns; returns it."""
        row = {"step": steps, **counts.scores()}
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json_line(row))
            stream.flush()
            os.fsync(stream.fileno())
        return row

    def holds(self, steps: int) -> bool:
        """Whether the evaluation after so many steps is there."""
        return any(row["step"] == steps for row in self._rows())

    def row(self, steps: int) -> dict[str, Any] | None:
        """The line of the evaluation after so many steps; None if there is none."""
        return next((row for row in self._rows() if row["step"] == steps), None)

    def best(self) -> int | None:
        """After how many steps F1 was highest, the earliest of equals; None before the first evaluation."""
        rows = self._rows()
        return max(rows, key=lambda row: (row["f1"], -row["step"]))["step"] if rows else None

    def _rows(self) -> list[dict[str, Any]]:
        return [row for _, row in read_json_lines(self.path)] if self.path.exists() else []
