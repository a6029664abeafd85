"""A whole audit: planted errors come first, its files are safe to open, and it goes on where it was stopped."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from nerkd_local.audit.planting import Planted, plant_errors
from nerkd_local.audit.run import AuditSettings, audit, describe
from nerkd_local.cli.audit import command
from nerkd_local.cli.select import command as select
from nerkd_local.config.experiment import TrainingSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError
from nerkd_local.experiment import crossfit
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_folder
from nerkd_local.records import Document, Span, from_words
from tests.experiment.small_students import train_in_process

TRAINING = {"steps": 60, "batch_size": 8, "max_tokens": 48, "stride": 8, "precision": "fp32", "threads": 1}
LABELS = ["LOC", "PER"]


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return train_in_process(monkeypatch, crossfit)


def sentences(count: int) -> list[Document]:
    """People live in places; no two have a name in common, so only the words around tell what they are."""
    made = []
    for number in range(count):
        person, place = f"A{number}", f"B{number}"
        words = [person, "lives", "in", "the", "old", "town", "near", place, "and", "works"]
        start = sum(len(word) + 1 for word in words[:7])
        spans = (Span(0, len(person), "PER"), Span(start, start + len(place), "LOC"))
        made.append(from_words(f"s{number}", words, spans, {"document": f"d{number // 2}"}))
    return made


@pytest.fixture(scope="module")
def planted() -> tuple[list[Document], list[Planted]]:
    return plant_errors(sentences(48), 8, LABELS, 1)


@pytest.fixture
def settings(tmp_path: Path, tiny_encoder: Path, planted: tuple[list[Document], list[Planted]]) -> AuditSettings:
    write_documents(tmp_path / "human.jsonl", planted[0])
    return AuditSettings(
        corpus=CorpusSettings(path=tmp_path / "human.jsonl"),
        student=tiny_encoder,
        folds=3,
        training=TrainingSettings.model_validate({**TRAINING, "learning_rate": 1e-2}),
    )


def quiet(line: str) -> None:
    """Nobody listens."""


def test_planted_errors_are_among_the_first_suspects(
    settings: AuditSettings, tmp_path: Path, planted: tuple[list[Document], list[Planted]], trained: list[str]
) -> None:
    said: list[str] = []
    suspects = audit(settings, tmp_path / "out", said.append)
    made_from = read_json(tmp_path / "out" / "crossfit" / "crossfit.json")
    assert digest_folder(settings.student) in json.dumps(made_from)
    first = suspects[: len(planted[1])]
    found = [
        each
        for each in planted[1]
        if any(s.document.id == each.id and s.start < each.end and each.start < s.end for s in first)
    ]
    # any order of the 96 mentions would find 8/96 of them
    assert len(found) >= 7
    assert len(trained) == 3

    rows = [json.loads(line) for line in (tmp_path / "out" / "suspects.jsonl").read_text().splitlines()]
    keys = ["rank", "id", "document", "text", "span", "label", "suggestion", "kind", "score", "evidence"]
    assert [list(row) for row in rows] == [keys] * len(suspects)
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["document"] == first[0].document.meta["document"]
    with (tmp_path / "out" / "suspects.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["score"]) for row in table] == [row["score"] for row in rows]

    trained.clear()
    before = (tmp_path / "out" / "suspects.jsonl").read_bytes()
    audit(settings, tmp_path / "out", quiet)
    assert (tmp_path / "out" / "suspects.jsonl").read_bytes() == before
    assert trained == []


def test_an_annotator_is_heard_from_its_file(settings: AuditSettings, tmp_path: Path) -> None:
    right = sentences(48)
    unusable = replace(right[0], spans=(), meta={"status": "malformed"})
    other = from_words("elsewhere", ["Ann"])
    path = tmp_path / "annotations.jsonl"
    write_documents(path, [unusable, *right[1:40], other])
    said: list[str] = []
    quick = settings.training.model_copy(update={"steps": 2})
    heard = settings.model_copy(update={"annotations": path, "training": quick})
    suspects = audit(heard, tmp_path / "out", said.append)
    assert "40 of 48 sentences have an annotator's labels; 1 others left out" in said
    assert {"annotator" in s.evidence for s in suspects if s.document.id in {d.id for d in right[1:40]}} == {True}
    write_documents(path, [replace(right[1], meta={"confidences": [0.5]})])
    with pytest.raises(InputError, match="'s1' has 2 entities and 1 confidences"):
        audit(heard, tmp_path / "out", quiet)
    write_documents(path, [replace(right[1], text=right[1].text.replace("old", "new"))])
    with pytest.raises(InputError, match="'s1' is not that of the labelled corpus"):
        audit(heard, tmp_path / "out", quiet)
    write_documents(path, [other])
    with pytest.raises(InputError, match="labels none of the corpus's sentences"):
        audit(heard, tmp_path / "out", quiet)


def quick_arguments(human: Path, encoder: Path, output: Path) -> list[str]:
    """A command line for two students of two steps."""
    training = {**TRAINING, "steps": 2}
    changes = [part for key, value in training.items() for part in ("--set", f"training.{key}={value}")]
    return [str(human), "--student", str(encoder), "--output", str(output), "--folds", "2", *changes]


def test_opinions_on_an_annotators_labels_are_what_select_takes(tmp_path: Path, tiny_encoder: Path) -> None:
    labels = tmp_path / "annotations.jsonl"
    unusable = from_words("u", ["Ann"], (), {"status": "malformed"})
    write_documents(labels, [unusable, *sentences(8)])
    arguments = quick_arguments(labels, tiny_encoder, tmp_path / "out")
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "1 of 9 sentences have no usable answer" in done.stderr
    opinions = tmp_path / "out" / "crossfit" / "opinions.jsonl"
    assert f"the students' opinions -> {opinions}" in done.stderr
    wanted = ["--policy", "agreement", "--opinions", str(opinions), "--output", str(tmp_path / "selected.jsonl")]
    done = CliRunner().invoke(select, [str(labels), *wanted])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("sentences: 9 = ")
    assert "1 dropped (unusable)" in done.stdout


def test_what_stands_in_a_text_neither_runs_in_a_spreadsheet_nor_moves_a_cursor(
    settings: AuditSettings, tmp_path: Path
) -> None:
    documents = [
        replace(
            each,
            text="=1+" + each.text[3:] if number % 2 else "\x1b[2" + each.text[3:],
            tokens=((0, 3), *each.tokens[1:]),
        )
        for number, each in enumerate(sentences(60)[10:])
    ]
    documents = [replace(each, spans=(Span(0, 3, "PER"),)) for each in documents]
    write_documents(settings.corpus.path, documents)
    quick = settings.training.model_copy(update={"steps": 1})
    changes = {"training": quick, "folds": 2, "entity_disjoint": False}
    suspects = audit(settings.model_copy(update=changes), tmp_path / "out", quiet)
    assert suspects
    with (tmp_path / "out" / "suspects.csv").open(newline="", encoding="utf-8") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    shown = describe(suspects)
    assert "\x1b" not in shown
    assert "\\u001b[2" in shown


def test_the_command_takes_settings_and_names_what_it_cannot_use(tmp_path: Path, tiny_encoder: Path) -> None:
    human = tmp_path / "human.jsonl"
    write_documents(human, sentences(8))
    arguments = quick_arguments(human, tiny_encoder, tmp_path / "out")
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "suspect places" in done.output
    refused = CliRunner().invoke(command, [*arguments, "--set", "training.step=3"])
    assert isinstance(refused.exception, InputError)
    assert "training.step" in str(refused.exception)
    refused = CliRunner().invoke(command, [*arguments, "--set", "labels=[PER]"])
    assert str(refused.exception).startswith(f"{human}: label 'LOC' of 'B0'")
    write_documents(human, [from_words("a", ["Ann"])])
    refused = CliRunner().invoke(command, arguments)
    assert "no labelled mention" in str(refused.exception)
