"""Whole annotation runs over the HTTP engine, and what identifies its model."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.engines.start import LazyEngine, engine_identity, is_present
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InterruptedRun
from nerkd_local.records import from_words
from tests.annotate.engines.openai_calls import request, settings
from tests.fakes.openai_server import MODEL, FakeOpenAIServer, Reply, chat, question, refusal


def test_the_identity_follows_the_model_not_the_address() -> None:
    here = settings("http://a/v1")
    identity = engine_identity(here)
    assert identity == {"kind": "openai", "model": MODEL, "revision": None, "dialect": "vllm"}
    assert engine_identity(settings("http://b:1/v1", in_flight=2, timeout_s=1, api_key_env="K")) == identity
    others: list[dict[str, Any]] = [
        {"model": "m"},
        {"revision": "2"},
        {"dialect": "plain"},
        {"seed": 0},
        {"control_tokens": ["<x>"]},
    ]
    for changes in others:
        assert engine_identity(settings("http://a/v1", **changes)) != identity
    assert is_present(here)


def annotator(url: str, **engine: Any) -> AnnotatorSettings:
    values = {"name": "a", "engine": settings(url, in_flight=4, **engine), "labels": {"PER": "people"}}
    return AnnotatorSettings.model_validate(values)


def annotate(corpus: Path, output: Path, chosen: AnnotatorSettings) -> dict[str, Any]:
    with LazyEngine(chosen.engine) as engine:
        return annotate_folder(corpus, output, chosen, engine)


def test_a_run_goes_on_at_another_address_and_a_finished_one_needs_none(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    write_documents(corpus, [from_words(f"d{number}", [f"Ann{number}", "left"]) for number in range(40)])
    asked = count(1)

    def label(body: dict[str, Any]) -> Reply:
        return chat(f"PER\t{question(body).split()[0]}")

    def dying(body: dict[str, Any]) -> Reply:
        return label(body) if next(asked) <= 15 else refusal("the engine is dead", 500)

    with FakeOpenAIServer(dying) as first:
        url = first.url
        with pytest.raises(InterruptedRun, match="the same command goes on"):
            annotate(corpus, tmp_path / "out", annotator(url))
    with FakeOpenAIServer(label) as second:
        ledger = annotate(corpus, tmp_path / "out", annotator(second.url))
        again = sum(question(body) != "Hello!" for body in second.bodies)  # which tries constraints
        annotate(corpus, tmp_path / "whole", annotator(second.url))
    assert ledger["sentences"]["annotated"] == ledger["mentions"]["accepted"] == 40
    assert again == 25  # every answer that came was kept
    for name in ("annotations.jsonl", "ledger.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert annotate(corpus, tmp_path / "out", annotator(url)) == ledger  # nobody is there to ask
    (tmp_path / "out" / "ledger.json").unlink()
    assert annotate(corpus, tmp_path / "out", annotator(url)) == ledger  # nor needed, as all is stored


def test_a_run_can_tell_what_was_asked_again() -> None:
    replies = iter([refusal("not now", 500)])
    with (
        FakeOpenAIServer(lambda body: next(replies, None) or chat("NONE")) as server,
        LazyEngine(settings(server.url, retries=1)) as engine,
    ):
        assert len(list(engine.complete([request()]))) == 1
    assert engine.retried == {"status 500": 1}
