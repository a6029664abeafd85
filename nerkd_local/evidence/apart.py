"""Where two files that should be the same part: sentences, predictions, and what students were shown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.files import read_json_lines
from nerkd_local.records import CONFIDENCES, RAW_TAGS, Document


def sentences_apart(first: Path, again: Path) -> str:
    """How many sentences differ between two files of documents, by their ids."""
    sides = [
        {document.id: (document.text, document.spans, document.meta.get("status")) for document in read_documents(path)}
        for path in (first, again)
    ]
    gone, new = (len(sides[i].keys() - sides[1 - i].keys()) for i in (0, 1))
    other = sum(sides[0][id] != sides[1][id] for id in sides[0].keys() & sides[1].keys())
    if not (gone or new or other):
        return f"the same text and labels in all {len(sides[0]):,} sentences, written otherwise"
    words = f"{other:,} of {len(sides[0]):,} sentences have another text or other labels"
    return words + (f", {gone:,} are gone, {new:,} are new" if gone or new else "")


class PredictionsApart(NamedTuple):
    """How many of the sentences two students label otherwise, and how far confidences in the same labels are apart."""

    sentences: int
    labels: int
    confidence: float

    @property
    def same(self) -> bool:
        """Nothing that a student says differs. What else a file holds of a sentence depends on who wrote it."""
        return not self.labels and not self.confidence

    def __str__(self) -> str:
        words = f"{self.labels:,} of {self.sentences:,} sentences labelled otherwise"
        return words if self.labels else f"{words}, confidences up to {self.confidence:.2g} apart"


def predictions_apart(files: Sequence[Path]) -> PredictionsApart:
    """Of two files of predictions, sentence by sentence."""
    sentences = labels = 0
    confidence = 0.0
    for first, again in zip_longest(*map(read_documents, files)):
        sentences += 1
        if first is None or again is None or _said(first) != _said(again):
            labels += 1
            continue
        sure = [each.meta.get(CONFIDENCES, ()) for each in (first, again)]
        if len(sure[0]) == len(sure[1]):  # an earlier version told none
            confidence = max((confidence, *(abs(a - b) for a, b in zip(*sure, strict=True))))
    return PredictionsApart(sentences, labels, confidence)


def _said(document: Document) -> Any:
    return document.id, document.text, document.spans, document.meta.get(RAW_TAGS)


def counts_apart(first: npt.NDArray[Any], again: npt.NDArray[Any]) -> str:
    """Where the predictions themselves were not kept: of two tables of counts, shape (sentences, 3)."""
    other = int((first != again).any(axis=1).sum())
    return f"{other:,} of {len(first):,} sentences with other counts"


def steps_apart(first: Path, again: Path) -> str:
    """Where the ledgers of what two students were shown part, in words; nothing where one is not there."""
    if not first.exists() or not again.exists():
        return ""
    steps = 0
    for rows in zip_longest(read_json_lines(first), read_json_lines(again)):
        if None in rows:
            return f"shown the same for {steps} steps, and then one of them more"
        for what, words in (("ids", "shown other sentences"), ("loss", "shown the same; the losses part")):
            sides = [[row[source][what] for source in ("original", "distilled")] for _, row in rows]
            if sides[0] != sides[1]:
                return f"{words} at step {steps + 1}"
        steps += 1
    return f"shown the same, with the same losses in all {steps} steps"
