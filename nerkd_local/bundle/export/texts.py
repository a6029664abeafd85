"""A run's files of labelled sentences on their way out: as they are, or each text as its hash.

A hashed sentence is a line {"sha256", "characters", "spans", ...}: the SHA-256 of its text in UTF-8, how many
characters it has, and its labels as [start, end, label] in characters. Whoever has the text finds it again and can lay
the labels over it. Whoever guesses the text can confirm the guess, so a hash hides long sentences and not short ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.annotate.ledger import SENTENCE_STATES
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import evaluation_files
from nerkd_local.files import write_json_lines
from nerkd_local.records import CONFIDENCES, Document

HASHED = "hashes"
"""The folder of hashed files, each under the path that it has in the run."""
_TRAINED_ON = (
    "corpus/*.jsonl",
    "annotations/*.jsonl",
    "annotations/*/annotations.jsonl",
    "annotations/*/sentences.jsonl",
)
_ABOUT_LABELS = ("annotations/*.ledger.json", "annotations/*/calibration.json")
_STATUS = "status"


def scored_sentences(run: Run) -> list[Path]:
    """The sentences that students are scored on, with their human labels; those whose file is there."""
    sizes = sorted(set(run.settings.original.sizes))
    files = dict.fromkeys(file for size in sizes for file in evaluation_files(run.settings, run.folder, size))
    return [file for file in files if file.is_file()]


def found_by(run: Run, students: Sequence[str]) -> list[Path]:
    """What these students found on them."""
    return [file for name in students for file in sorted(run.folder.student(name).glob("predictions-*.jsonl"))]


def learned_from(run: Run) -> list[Path]:
    """The sentences that students and annotators were given, with human labels and the annotators'."""
    return _matching(run.folder, _TRAINED_ON)


def about_labels(run: Run) -> list[Path]:
    """What selection and calibration did about single labels; they name sentences by their ids."""
    return _matching(run.folder, _ABOUT_LABELS)


def write_hashed(source: Path, target: Path) -> int:
    """Write the sentences of a file, in its order, without their texts; returns how many."""
    return write_json_lines(target, (hashed(document) for document in read_documents(source)))


def hashed(document: Document) -> dict[str, Any]:
    """A sentence's labels without its text, its words and its id.

    Of what else is known of it: `status`, what became of the annotator's answer, and `confidences`, one a label.
    """
    row: dict[str, Any] = {
        "sha256": hashlib.sha256(document.text.encode("utf-8")).hexdigest(),
        "characters": len(document.text),
        "spans": [[span.start, span.end, span.label] for span in document.spans],
    }
    status = document.meta.get(_STATUS)
    if isinstance(status, str) and status in SENTENCE_STATES:
        row[_STATUS] = status
    sure = document.meta.get(CONFIDENCES)
    if isinstance(sure, list) and all(each is None or isinstance(each, int | float) for each in sure):
        row[CONFIDENCES] = sure
    return row


def all_sentences(folder: RunFolder) -> Iterator[Path]:
    """Every file of sentences of the run, whoever labelled them."""
    yield from _matching(folder, _TRAINED_ON)


def _matching(folder: RunFolder, patterns: Sequence[str]) -> list[Path]:
    return [file for pattern in patterns for file in sorted(folder.root.glob(pattern)) if file.is_file()]
