"""`nerkd tune`, and its winner handed to `nerkd annotate`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nerkd_local.cli.main import nerkd
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from tests.tune.searches import annotator, sentences


@pytest.fixture
def search(tmp_path: Path, tiny_encoder: Path) -> Path:
    write_documents(tmp_path / "corpus.jsonl", sentences(40))
    path = tmp_path / "search.yaml"
    settings = {
        "name": "a search",
        "output": str(tmp_path / "out"),
        "corpus": {"path": str(tmp_path / "corpus.jsonl")},
        "annotators": {"good": annotator("capitals"), "blind": annotator("none")},
        "formats": ["lines"],
        "demonstrations": ["entity_knn"],
        "encoder": str(tiny_encoder),
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def call(*arguments: str) -> str:
    result = CliRunner().invoke(nerkd, list(arguments), catch_exceptions=False, standalone_mode=False)
    return result.output


def test_the_winner_annotates(search: Path, tmp_path: Path) -> None:
    assert "**good** is first with F1 1.000" in call("tune", str(search))
    out = tmp_path / "out"
    # in the words of the winner's own header
    command = (out / "winner.yaml").read_text().splitlines()[1].removeprefix("#   nerkd ").split()
    places = {"CORPUS": str(tmp_path / "corpus.jsonl"), "FOLDER": str(tmp_path / "labels")}
    told = call(*(places.get(word, word) for word in command))
    assert "sentences: 40 = 40 annotated" in told
    gold = [document.spans for document in sentences(40)]
    assert [document.spans for document in read_documents(tmp_path / "labels" / "annotations.jsonl")] == gold


def test_examples_that_cannot_be_retrieved_are_said_before_anything_is_written(search: Path, tmp_path: Path) -> None:
    call("tune", str(search))
    winner, labels = str(tmp_path / "out" / "winner.yaml"), tmp_path / "labels"
    with pytest.raises(InputError, match=r"entity_knn needs human-labelled sentences .* \(--examples\)"):
        call("annotate", winner, str(tmp_path / "corpus.jsonl"), "--output", str(labels))
    with pytest.raises(InputError, match="no such folder"):
        call(
            *("annotate", winner, str(tmp_path / "corpus.jsonl"), "--output", str(labels)),
            *("--examples", str(tmp_path / "out" / "pool.jsonl")),
            *("--set", f"demonstrations.encoder={tmp_path / 'gone'}"),
        )
    assert not labels.exists()
