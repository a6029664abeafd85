#!/usr/bin/env python
"""Writes nerkd_local/demo/answers.jsonl: what models/demo-annotator answers about the demo's news.

    nerkd demo --output runs/demo
    .venv/bin/python scripts/build_demo_answers.py runs/demo

`nerkd demo` takes them where vLLM is not installed. To be made again whenever the annotator or the news change; a test
compares them with the real engine's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.demo.files import RECORDED
from nerkd_local.errors import InputError
from nerkd_local.files import write_json_lines
from nerkd_local.store.answers import AnswerStore


def main() -> None:
    """Copy the answers out of a finished demo's store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run folder of a demo annotated by vLLM")
    run = parser.parse_args().run
    texts = {document.id: document.text for document in read_documents(run / "corpus" / "unlabelled-news.jsonl")}
    with AnswerStore(run / "annotations" / "news" / "answers.sqlite", read_only=True) as store:
        (run_id,) = store.runs()
        answers = list(store.answers(run_id))
    cut_off = [answer.sentence_id for answer in answers if answer.finish_reason != "stop"]
    if cut_off:
        raise InputError(f"{len(cut_off)} answers did not end by themselves ({cut_off[0]} ...)", path=run)
    rows = ({"text": texts[answer.sentence_id], "answer": answer.answer} for answer in answers)
    print(f"{write_json_lines(RECORDED, rows)} answers -> {RECORDED}")


if __name__ == "__main__":
    main()
