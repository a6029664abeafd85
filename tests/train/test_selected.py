"""What selection decided is what a student learns from, under every regimen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.records import TOKEN_WEIGHTS, Document, Source, Span, from_words
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.plan import Plan, build_plan, save_plan
from nerkd_local.select.run import select_documents
from nerkd_local.select.settings import ThresholdSettings
from nerkd_local.student.decode import tag_names
from nerkd_local.train.data import load_examples, step_examples, step_pieces, words_of
from nerkd_local.train.loss import source_losses
from nerkd_local.train.settings import DistilledLoss, TrainSettings
from tests.models import WORDS

REGIMENS = Path(__file__).parents[2] / "configs" / "regimens"
TAGS = tag_names(["LOC", "PER"])
STEPS = 6


def sentence(name: str, label: str, number: int, sure: float) -> Document:
    """`anna lives in paris ...`, paris labelled so, with that confidence."""
    words = ["anna", "lives", "in", "paris", *WORDS[:number]]
    spans = (Span(0, 4, "PER"), Span(14, 19, label))
    return from_words(f"{name}:{number}", words, spans, {"confidences": [0.9, sure]})


ORIGINAL = [sentence("original", "LOC", number, 1.0) for number in range(5)]


def selected(label: str) -> list[Document]:
    """Every other sentence's paris is masked; the last two sentences are dropped."""
    documents = [sentence("distilled", label, number, 0.4 if number % 2 else 0.9) for number in range(6)]
    unsure = [sentence("distilled", label, number, 0.0) for number in (6, 7)]
    return list(select_documents([*documents, *unsure], ThresholdSettings(entity=0.5, sentence=0.5))[0])


def planned(regimen: str, documents: list[Document]) -> Plan:
    ids = ([document.id for document in side] for side in (ORIGINAL, documents))
    return build_plan(load_regimen(regimen, REGIMENS), *ids, steps=STEPS, batch_size=4, seed=0)


@pytest.mark.parametrize("regimen", ["simple_mix", "sigmoid_decay", "mixed", "adaptive"])
def test_a_masked_word_teaches_nothing_and_a_dropped_sentence_is_in_no_plan(
    regimen: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_encoder, local_files_only=True)
    plan = planned(regimen, selected("LOC"))
    used = {id for step in plan.steps for id in step.distilled} | plan.candidates("distilled")
    assert used
    assert used <= {f"distilled:{number}" for number in range(6)}
    paths: dict[Source, Path | None] = {"original": tmp_path / "o.jsonl", "distilled": tmp_path / "d.jsonl"}
    write_documents(tmp_path / "o.jsonl", ORIGINAL)
    masked = 0
    losses: dict[str, list[float]] = {}
    for label in ("LOC", "PER"):
        pairs = zip(selected("LOC"), selected(label), strict=True)
        write_documents(
            tmp_path / "d.jsonl", [other if TOKEN_WEIGHTS in as_is.meta else as_is for as_is, other in pairs]
        )
        examples = load_examples(plan, paths, tokenizer, TAGS, max_tokens=32, stride=8)
        for step in plan.steps:
            words = words_of(step_pieces(step_examples(step, examples), seed=0))
            logits = torch.randn(len(words.weights), len(TAGS), generator=torch.Generator().manual_seed(1))
            logits.requires_grad_()
            original, distilled = source_losses(logits, words, DistilledLoss(), None)
            (original + distilled).backward()
            assert logits.grad is not None
            nothing = logits.grad.abs().sum(1) == 0
            assert nothing.tolist() == (words.distilled & (words.weights == 0)).tolist()
            masked += int(nothing.sum())
            losses.setdefault(label, []).append(float(distilled.detach()))
    assert masked
    assert losses["LOC"] == losses["PER"]


def test_a_student_is_the_same_whatever_label_was_masked(tiny_encoder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    from nerkd_local.train.run import train

    write_documents(tmp_path / "o.jsonl", ORIGINAL)
    weights = {}
    for label in ("LOC", "PER"):
        documents = [document for document in selected(label) if TOKEN_WEIGHTS in document.meta]
        write_documents(tmp_path / f"{label}.jsonl", documents)
        save_plan(planned("sigmoid_decay", documents), tmp_path / f"{label}.plan.jsonl")
        settings = TrainSettings(
            student=tiny_encoder,
            labels=("PER", "LOC"),
            plan=tmp_path / f"{label}.plan.jsonl",
            original=tmp_path / "o.jsonl",
            distilled=tmp_path / f"{label}.jsonl",
            output=tmp_path / label,
            max_tokens=32,
            stride=8,
            precision="fp32",
            threads=1,
        )
        train(settings)
        weights[label] = load_file(tmp_path / label / "student" / "model.safetensors")
    assert weights["LOC"].keys() == weights["PER"].keys()
    assert all((weights["LOC"][name] == weights["PER"][name]).all() for name in weights["LOC"])
