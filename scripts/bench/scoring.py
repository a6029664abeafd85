"""Labelling sentences with a trained student: this project's `predict` against transformers' pipeline, in turns.

python scoring.py STUDENT DOCUMENTS.jsonl ROUNDS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from children import report

from nerkd_local import offline, threads

_WARM = 64
"""Sentences before the clock starts."""

BATCH = 32
"""Of the pipeline."""


def measure(student: Path, corpus: Path, rounds: int) -> dict[str, Any]:
    """Sentences a second of each way, round by round, and how many sentences it labels unlike `predict` in float32.

    Both begin with documents and end with a tag for every word; tokenizing counts, loading does not. All read each
    word by itself here (`decoding="independent"`), except `default`, which is `predict` as it comes.
    """
    from transformers import AutoModelForTokenClassification, pipeline

    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.student.model import load_trained
    from nerkd_local.student.predict import predict

    documents = list(read_documents(corpus))
    model, tokenizer = load_trained(student)
    pipe = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(student),
        tokenizer=tokenizer,
        aggregation_strategy="none",
        ignore_labels=[],
        batch_size=BATCH,
        device="cpu",
    )

    def published(some: list[Any]) -> list[list[str]]:
        answers = pipe([document.text for document in some])
        return [first_tags(document, answer) for document, answer in zip(some, answers, strict=True)]

    def own(**options: Any) -> Callable[[list[Any]], list[list[str]]]:
        return lambda some: [answer.tags for answer in predict(model, tokenizer, some, **options)]

    ways: dict[str, Callable[[list[Any]], list[list[str]]]] = {
        "pipeline": published,
        "fp32": own(precision="fp32", decoding="independent"),
        "bf16": own(precision="bf16", decoding="independent"),
        "default": own(),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[list[str]]] = {}
    for label in ways.values():
        label(documents[:_WARM])
    for _ in range(rounds):
        for name, label in ways.items():
            began = time.perf_counter()
            found[name] = label(documents)
            rates[name].append(len(documents) / (time.perf_counter() - began))
    pairs = {name: zip(documents, found["fp32"], tags, strict=True) for name, tags in found.items()}
    differing = {name: [one.id for one, left, right in rows if left != right] for name, rows in pairs.items()}
    return {"rates": rates, "differing": differing, "sentences": len(documents)}


def first_tags(document: Any, answer: list[dict[str, Any]]) -> list[str]:
    """The tag of each word's first sub-token; `O` for a word that the pipeline has cut off or does not see."""
    tag_at = {row["start"]: row["entity"] for row in reversed(answer)}
    return [tag_at.get(start, "O") for start, _ in document.tokens]


if __name__ == "__main__":
    offline.seal()
    threads.wait_politely()
    report(**measure(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
