"""A real run_ner_no_trainer.py, run as a command, for those who have one and what it imports."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from children import timed


def run_published(
    script: Path, train: Path, dev: Path, encoder: Path, scratch: Path, batch_size: int, learning_rate: float
) -> dict[str, Any]:
    """Seconds of one epoch as a whole command, start and evaluation included, and the scores that it reports."""
    output = scratch / "published"
    command = [sys.executable, str(script), "--model_name_or_path", str(encoder), "--output_dir", str(output)]
    for option, corpus in (("--train_file", train), ("--validation_file", dev)):
        command += [option, str(_plain(corpus, scratch))]
    command += ["--text_column_name", "tokens", "--label_column_name", "ner_tags", "--num_train_epochs", "1"]
    command += ["--per_device_train_batch_size", str(batch_size), "--learning_rate", str(learning_rate)]
    took, _ = timed(command)
    reported = output / "all_results.json"
    return {"seconds": took, **(json.loads(reported.read_text(encoding="utf-8")) if reported.exists() else {})}


def _plain(corpus: Path, scratch: Path) -> Path:
    """Words and tags in the columns that the script is told."""
    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.corpus.schemes import spans_to_tags

    path = scratch / f"published-{corpus.stem}.json"
    with path.open("w", encoding="utf-8") as stream:
        for document in read_documents(corpus):
            stream.write(json.dumps({"tokens": document.words, "ner_tags": spans_to_tags(document)}) + "\n")
    return path
