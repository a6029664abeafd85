"""The demo's corpora on disk."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.demo.corpus import write_sentences

RECORDED = Path(__file__).with_name("answers.jsonl")
"""What the shipped annotator answered about the news (`scripts/build_demo_answers.py`)."""

SIZES = {"labelled.jsonl": 60, "news.jsonl": 600, "evaluation.jsonl": 600}
"""Sentences by file: what a person labelled, what the annotator is to label, what students are scored on.

All carry their true labels; those of the news are hidden from the annotator, as in any experiment.
"""


def write_corpora(folder: Path, seed: int = 0) -> None:
    """Write the three files, of sentences that all differ; the same files for the same seed."""
    sentences = write_sentences("scored", sum(SIZES.values()), seed)
    for name, size in SIZES.items():
        write_documents(folder / name, islice(sentences, size))
