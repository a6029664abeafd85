"""The shipped annotator behind real vLLM, inside the demo it was made for."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.demo.files import RECORDED
from nerkd_local.files import read_json_lines
from nerkd_local.store.answers import AnswerStore
from tests.cli.test_demo import demo, small
from tests.conftest import missing

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


def test_the_shipped_annotator_labels_the_news_and_makes_mistakes(tmp_path: Path) -> None:
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    done = demo("--output", "out", *small("distilled.0.sample=300", "regimens=[simple_mix]"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.search(r"strict F1 against the hidden human labels: (0\.\d+)", done.stdout)
    assert found is not None, done.stdout
    assert 0.6 < float(found[1]) < 0.97
    (sentences,) = re.findall(r"sentences: 300 = (\d+) annotated", done.stdout)
    assert int(sentences) > 290
    assert (tmp_path / "out" / "results" / "figure.png").is_file()
    assert (tmp_path / "out" / "cells" / "simple_mix-n60-news-seed0" / "student" / "model.safetensors").is_file()
    assert "Karobridge" in done.stdout.splitlines()[-1]
    # what stands in where vLLM is not installed is what this model answers
    recorded = {row["text"]: row["answer"] for _, row in read_json_lines(RECORDED)}
    asked = {document.id: document.text for document in read_documents(tmp_path / "out/corpus/unlabelled-news.jsonl")}
    with AnswerStore(tmp_path / "out" / "annotations" / "news" / "answers.sqlite", read_only=True) as store:
        (run,) = store.runs()
        answers = list(store.answers(run))
    assert len(answers) == 300
    other = [answer.sentence_id for answer in answers if answer.answer != recorded[asked[answer.sentence_id]]]
    # another machine rounds otherwise, and may take another word where two are equally likely
    assert len(other) <= 3
