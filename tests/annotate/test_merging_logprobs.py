"""Shards bring what is kept of their answers' tokens along, and what is asked further is asked of the whole."""

from __future__ import annotations

from pathlib import Path

from nerkd_local.annotate.command import AnnotateCommand
from nerkd_local.annotate.merging import merge_shards
from nerkd_local.annotate.selection import Selection
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.shards import Shard
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.records import from_words
from nerkd_local.store.answers import AnswerStore
from tests.annotate.replayed import files

SETTINGS = AnnotatorSettings.model_validate(
    {
        "name": "a",
        "engine": {"kind": "scripted", "script": "capitals"},
        "labels": {"PER": "people", "ORG": "o", "LOC": "l", "MISC": "m"},
        "logprobs": "raw",
        "votes": {"samples": 2, "temperature": 1.0, "share": 0.5},
        "verify": True,
    }
)


def command(corpus: Path, output: Path, said: list[str]) -> AnnotateCommand:
    return AnnotateCommand(SETTINGS, Selection(corpus=corpus), output, None, (), said.append)


def test_merged_shards_that_are_asked_further_are_an_unsharded_run(tmp_path: Path) -> None:
    corpus = tmp_path / "c.jsonl"
    write_documents(
        corpus, [from_words(f"d:{i}", ["Ann", "met", f"Bob{i % 17}"], (), {"document": "d"}) for i in range(20)]
    )
    said: list[str] = []
    command(corpus, tmp_path / "whole", said).annotate()
    for number in (1, 2):
        command(corpus, tmp_path / "parts", said).annotate_shard(Shard(number, 2))
    assert "further answers are asked when the shards are merged, by nerkd annotate into the merged folder" in said
    folders = sorted((tmp_path / "parts").glob("shard-*"))
    merge_shards(folders, tmp_path / "merged", say=said.append)
    with AnswerStore(tmp_path / "merged" / "answers.sqlite", read_only=True) as store:
        assert all(store.logprobs(1, answer) for answer in store.answers(1))
    command(corpus, tmp_path / "merged", said).annotate()
    whole, merged = files(tmp_path / "whole"), files(tmp_path / "merged")
    assert merged["annotations.jsonl"] == whole["annotations.jsonl"]
    assert merged["ledger.json"] == whole["ledger.json"]
