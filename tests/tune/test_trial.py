"""What a trial counts for each sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.annotate.engines.start import start_engine
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.files import read_json
from nerkd_local.settings import make_settings
from nerkd_local.tune.trial import try_candidate
from tests.tune.searches import annotator, quiet, sentences


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"window": 3},
        {"votes": {"samples": 2}, "logprobs": "raw"},
        {"verify": True},
        {"deduplicate": False},
    ],
)
def test_the_tokens_of_each_sentence_are_those_of_the_ledger(more: dict[str, object], tmp_path: Path) -> None:
    gold = sentences(9)
    write_documents(tmp_path / "corpus.jsonl", gold)
    settings = make_settings(AnnotatorSettings, **annotator("capitals", **more))
    engine = start_engine(settings.engine)
    made = try_candidate(tmp_path / "corpus.jsonl", tmp_path, settings, engine, [], gold, seed=0, say=quiet)
    ledger = read_json(tmp_path / "ledger.json")
    parts = (ledger, ledger.get("votes", {}), ledger.get("verification", {}))
    for name in ("prompt_tokens", "output_tokens"):
        assert getattr(made, name) == sum(part.get(name, 0) for part in parts) > 0
    assert len(made.output_tokens_each) == len(made.hallucinated_each) == 9
    asked = [number for number, tokens in enumerate(made.output_tokens_each) if tokens]
    assert asked == ([0, 3, 6] if "window" in more else list(range(9)))


def test_invented_mentions_are_counted_where_they_are(tmp_path: Path) -> None:
    gold = sentences(40)
    write_documents(tmp_path / "corpus.jsonl", gold)
    settings = make_settings(AnnotatorSettings, **annotator("mixed"))
    engine = start_engine(settings.engine)
    made = try_candidate(tmp_path / "corpus.jsonl", tmp_path, settings, engine, [], gold, seed=0, say=quiet)
    ledger = read_json(tmp_path / "ledger.json")
    assert made.hallucinated == ledger["mentions"]["hallucinated"] > 0
    assert set(made.hallucinated_each) >= {0, 1}
