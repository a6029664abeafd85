"""`nerkd select`: what it writes, prints and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click import UsageError
from click.testing import CliRunner, Result

from nerkd_local.cli.select import command
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.records import Span, from_words
from nerkd_local.select.opinions import Opinion, write_opinions


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.jsonl"
    ann = from_words("a", ["Ann", "saw", "Bonn"], (Span(0, 3, "PER"), Span(8, 12, "LOC")), {"confidences": [0.9, 0.3]})
    write_documents(path, [ann, from_words("b", ["It", "rained"])])
    return path


def select(labels: Path, policy: str, *arguments: object) -> Result:
    output = labels.parent / "out.jsonl"
    line = [labels, "--policy", policy, *([] if "--output" in arguments else ["--output", output]), *arguments]
    return CliRunner().invoke(command, [str(each) for each in line], standalone_mode=False)


def test_a_named_policy_with_a_change(labels: Path) -> None:
    done = select(labels, "threshold", "--set", "entity=0.2", "--set", "sentence=0.5")
    assert done.exception is None
    assert done.stdout.splitlines()[:2] == [
        "sentences: 2 = 1 kept (sure) + 1 kept (no entities)",
        "entities: 2 = 2 kept (sure)",
    ]
    assert "2 sentences -> " in done.stderr
    ledger = read_json(labels.parent / "out.ledger.json")
    assert ledger["policy"]["entity"] == 0.2
    assert ledger["labels_sha256"] == digest_file(labels)
    assert ledger["sentences"] == {"kept": 2, "weighted": 0, "masked": 0, "dropped": 0}
    assert [document.id for document in read_documents(labels.parent / "out.jsonl")] == ["a", "b"]


def test_a_students_opinions(labels: Path) -> None:
    spans = (Span(0, 3, "PER"),)
    opinions = {"a": Opinion(spans, (0.9,), (0.8, 0.2)), "b": Opinion((), (), ())}
    write_opinions(labels.parent / "opinions.jsonl", opinions)
    done = select(labels, "agreement", "--opinions", labels.parent / "opinions.jsonl")
    assert done.exception is None
    assert "entities: 2 = 1 kept (agreed) + 1 masked (disputed)" in done.stdout
    done = select(labels, "top_budget", "--opinions", labels.parent / "opinions.jsonl", "--set", "confidence=student")
    assert done.exception is None
    assert "sentences: 2 = 1 kept (chosen) + 1 dropped (over budget)" in done.stdout


@pytest.mark.parametrize(
    ("policy", "arguments", "problem"),
    [
        ("treshold", (), "no settings are called 'treshold' in selection/ (did you mean 'threshold'?)"),
        ("threshold", ("--set", "entity=2"), "--set entity: 'entity': input should be less than or equal to 1"),
        ("threshold", ("--set", "confidence=calibrated"), "calibrated confidences need a calibration"),
        ("threshold", ("--set", "confidence=student"), "a student's confidences need its opinions"),
        ("agreement", (), "agreement needs the opinions of a student"),
        ("agreement", ("--opinions", "none.jsonl"), "none.jsonl: no such file"),
        ("keep_all", ("--output", "out.conll"), "out.conll: the output's extension must be .jsonl"),
    ],
)
def test_what_is_refused(labels: Path, policy: str, arguments: tuple[str, ...], problem: str) -> None:
    done = select(labels, policy, *arguments)
    assert isinstance(done.exception, InputError)
    assert problem in str(done.exception)
    assert not (labels.parent / "out.jsonl").exists()


def test_labels_are_not_written_over(labels: Path) -> None:
    before = labels.read_bytes()
    same = labels.parent / "folder" / ".." / labels.name
    (labels.parent / "folder").mkdir()
    done = select(labels, "threshold", "--output", same)
    assert "would be written over the labels" in str(done.exception)
    assert labels.read_bytes() == before


@pytest.mark.parametrize("option", ["--opinions", "--calibration"])
def test_what_a_policy_does_not_ask_for_is_bad_usage(labels: Path, option: str) -> None:
    done = select(labels, "keep_all", option, labels)
    assert isinstance(done.exception, UsageError)
    assert "this policy asks for no" in str(done.exception)


def test_labels_without_confidences_are_named_with_their_file(labels: Path) -> None:
    write_documents(labels, [from_words("a", ["Ann"], (Span(0, 3, "PER"),))])
    done = select(labels, "weighted")
    assert str(done.exception).startswith(f"{labels}: sentence 'a' has 1 entities and no confidences; annotate with")
    assert not (labels.parent / "out.jsonl").exists()
