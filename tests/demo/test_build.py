"""What the demo annotator is trained on: sentences taken apart and joined again, their labels still right."""

from __future__ import annotations

import importlib.util
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.formats import answer_format
from nerkd_local.config.folders import models_folder
from nerkd_local.demo.corpus import LABELS, write_sentence
from nerkd_local.records import Document, Span, from_words

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_demo_annotator.py"
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def build() -> Any:
    spec = importlib.util.spec_from_file_location("build_demo_annotator", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mentions(document: Document) -> list[tuple[str, str]]:
    return [(document.text[span.start : span.end], span.label) for span in document.spans]


@given(SEEDS, st.floats(0, 1))
def test_other_words_around_them_leave_the_mentions(build: Any, seed: int, share: float) -> None:
    document = write_sentence("annotator", Random(seed), "s")
    assert mentions(build.disturb(document, Random(seed), share)) == mentions(document)


@given(SEEDS)
def test_nothing_is_disturbed_at_a_share_of_nothing(build: Any, seed: int) -> None:
    document = write_sentence("annotator", Random(seed), "s")
    assert build.disturb(document, Random(seed), 0.0) == document


def test_at_a_share_of_everything_only_names_numbers_and_days_stay(build: Any) -> None:
    words = ["Police", "in", "New", "Bonn", "arrested", "12", "people", "on", "Monday", "."]
    document = from_words("s", words, (Span(10, 18, "LOC"),))
    changed = [build.disturb(document, Random(seed), 1.0) for seed in range(200)]
    for other in changed:
        assert mentions(other) == [("New Bonn", "LOC")]
        assert set(other.words) & set(words) <= {"New", "Bonn", "12", "Monday", "."}
    assert {len(other.words) for other in changed} >= {8, 9, 10}  # some words are left out


@given(SEEDS)
def test_pieces_are_joined_with_whole_mentions(build: Any, seed: int) -> None:
    document = build.piece_together(Random(seed))
    assert document.words
    assert {label for _, label in mentions(document)} <= set(LABELS)
    # a mention keeps its capital, whatever it was cut from
    assert all(not text[0].islower() for text, _ in mentions(document))


def test_the_loss_is_on_the_second_copy_and_the_answer(build: Any) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models_folder("demo-annotator"))
    for document in islice(build.sentences(Random(3)), 20):
        ids, targets = build.encode(document, tokenizer)
        learnt = [target for target in targets if target != -100]
        assert len(ids) == len(targets)
        assert ids[-len(learnt) :] == learnt
        answer = answer_format("lines").parse(
            tokenizer.decode(learnt).partition("<|answer|>")[2].removesuffix("<|end|>")
        )
        assert [(mention.text, mention.label) for mention in answer.mentions] == mentions(document)
        assert tokenizer.decode(ids).startswith(f"<|text|>{document.text}<|again|>{document.text}<|answer|>")
