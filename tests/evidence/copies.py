"""A run whose training files hold copies of sentences that its students are scored on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.files import read_json, write_json
from nerkd_local.records import Span, from_words
from tests.evidence.runs import write_run

FERRY = from_words("e:ferry", ["Ferry", "12", "to", "Karobridge", "left", "late"], (Span(12, 22, "LOC"),))
"""27 characters without spaces: 24 shingles. With a full stop it has 25, and shares all 24."""


def with_copies(folder: Path) -> Path:
    """A run whose evaluation ends with FERRY and a sentence of its first original, which stand in training too."""
    output = write_run(folder, regimens=("original_only", "simple_mix"), sizes=(10, 20), seeds=(0,)).output
    corpus = output / "corpus"
    first = next(read_documents(corpus / "original-10.jsonl"))
    evaluation = [*read_documents(corpus / "evaluation.jsonl"), FERRY, replace(first, id="e:same")]
    write_documents(corpus / "evaluation.jsonl", evaluation)
    late = from_words("o:late", [*FERRY.words, "."], (Span(12, 22, "LOC"),))
    write_documents(corpus / "original-20.jsonl", [*read_documents(corpus / "original-20.jsonl"), late])
    for path in (corpus / "unlabelled-news.jsonl", output / "annotations" / "news" / "annotations.jsonl"):
        write_documents(path, [*read_documents(path), replace(late, id="news/late", spans=())])
    return output


def forget_near(output: Path) -> None:
    """Make preparation.json what an earlier version wrote, with two exact copies left out."""
    report = read_json(output / "corpus" / "preparation.json")
    del report["near_duplicates"]
    for part in (report["original"], report["distilled"]["news"]):
        del part["duplicates"]
        part["excluded"] = 1
    report["original"]["also_in_evaluation"] = ["train:1"]
    report["distilled"]["news"]["also_in_original"] = ["news:2"]
    write_json(output / "corpus" / "preparation.json", report)
