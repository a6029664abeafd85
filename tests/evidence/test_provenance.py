"""Where numbers come from: digests, annotators, machines, commands; and nothing of a machine's paths."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from nerkd_local.cli import reproduce as reproduce_cli
from nerkd_local.cli import run as run_cli
from nerkd_local.config.experiment import ExperimentSettings, load_recorded
from nerkd_local.evidence.provenance import (
    NOT_RECORDED,
    Digest,
    annotation_origins,
    below_root,
    commands,
    corpus_digests,
    left_out,
    made_with,
    student_origins,
)
from nerkd_local.evidence.run import open_run
from nerkd_local.files import read_json, write_json, write_json_lines, write_text
from nerkd_local.fingerprints import digest_folder
from tests.evidence.runs import write_run


@pytest.fixture
def settings(tmp_path: Path) -> ExperimentSettings:
    return write_run(tmp_path, regimens=("original_only", "simple_mix"), sizes=(10,), seeds=(0, 1))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_corpora_are_told_by_digests_that_sha256sum_gives(settings: ExperimentSettings, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert corpus_digests(open_run(settings.output)) == [
        Digest("original: train.jsonl", sha256(data / "train.jsonl")),
        Digest("evaluation: evaluation.jsonl", sha256(data / "evaluation.jsonl")),
        Digest("distilled, news: news.jsonl", sha256(data / "news.jsonl")),
        Digest(f"encoder: {tmp_path.name}/encoder", digest_folder(tmp_path / "encoder"), folder=True),
    ]


def test_annotations_are_told_by_their_ledgers(settings: ExperimentSettings, tmp_path: Path) -> None:
    (origin,) = annotation_origins(open_run(settings.output))
    here = settings.output / "annotations" / "news"
    assert (origin.name, origin.annotator, origin.engine, origin.format) == ("news", "recorded", "replay", "lines")
    assert origin.model_sha256 == sha256(tmp_path / "answers.jsonl")
    assert origin.labels_sha256 == sha256(here / "annotations.jsonl")
    assert origin.prompt == "standard.v1"
    assert len(origin.prompt_sha256) == 64
    assert origin.machine.endswith("cores")
    assert "nerkd-local" in origin.software
    # one that an earlier version asked
    speed = {"sentences": 30, "seconds": 1.0}
    write_json_lines(here / "speed.jsonl", [speed])
    (origin,) = annotation_origins(open_run(settings.output))
    assert (origin.software, origin.machine) == (NOT_RECORDED, NOT_RECORDED)


def test_an_annotation_is_told_with_the_annotator_that_made_it(settings: ExperimentSettings, tmp_path: Path) -> None:
    other = settings.annotator.model_copy(update={"name": "another"})
    changed = settings.model_copy(update={"other_annotators": {"second": other}})
    annotations = settings.output / "annotations"
    for name in ("calibration", "calibration-second"):
        (annotations / name).mkdir()
        (annotations / name / "ledger.json").write_bytes((annotations / "news" / "ledger.json").read_bytes())
    run = replace(open_run(settings.output), settings=changed)
    assert [(origin.name, origin.annotator) for origin in annotation_origins(run)] == [
        ("news", "recorded"),
        ("calibration", "recorded"),
        ("calibration-second", "another"),
    ]


def test_students_are_told_by_what_they_were_made_from(settings: ExperimentSettings) -> None:
    run = open_run(settings.output)
    origins = {origin.name: origin for origin in student_origins(run)}
    assert list(origins) == list(run.results)
    alone, mixed = origins["original_only-n10-seed1"], origins["simple_mix-n10-news-seed1"]
    assert (alone.seed, alone.distilled) == (1, "")
    assert alone.original == mixed.original == sha256(settings.output / "corpus" / "original-10.jsonl")
    assert mixed.distilled == sha256(settings.output / "annotations" / "distilled-news.jsonl")
    assert alone.evaluation == sha256(settings.output / "corpus" / "evaluation.jsonl")
    assert alone.plan != mixed.plan


def test_machines_and_versions_are_counted_and_missing_ones_named(settings: ExperimentSettings) -> None:
    name = "original_only-n10-seed0"
    path = settings.output / "cells" / name / "result.json"
    write_json(path, {**read_json(path), "made_with": {"torch": "2.9", "commit": None, "threads": 1, "gpu": "a card"}})
    # of an earlier version: the trainer's own file
    write_json(settings.output / "cells" / "original_only-n10-seed1" / "trained.json", {"threads": 2, "wall_s": 1})
    rows = made_with(open_run(settings.output))
    assert ("cpu", "a processor, 2 cores", 4) in rows
    assert [row for row in rows if row[0] == "threads"] == [
        ("threads", "1", 1),
        ("threads", "2", 1),
        ("threads", NOT_RECORDED, 2),
    ]
    assert [row for row in rows if row[0] == "torch"] == [("torch", "2.9", 1), ("torch", NOT_RECORDED, 3)]
    assert ("commit", NOT_RECORDED, 4) in rows
    assert [row for row in rows if row[0] == "gpu"] == [("gpu", "a card", 1)]


def test_what_was_left_out_is_counted(settings: ExperimentSettings) -> None:
    assert [name for name, _ in left_out(open_run(settings.output))] == ["original", "news"]
    (settings.output / "corpus" / "preparation.json").unlink()
    assert left_out(open_run(settings.output)) == []


def test_the_commands_are_taken_by_the_command_line(settings: ExperimentSettings) -> None:
    lines = commands(open_run(settings.output)).replace("\\\n", " ").splitlines()
    words = [shlex.split(line) for line in lines if not line.startswith("#")]
    assert [(line[0], line[1], line[2]) for line in words] == [
        ("nerkd", "run", "RUN/settings.yaml"),
        ("nerkd", "reproduce", "RUN"),
        ("nerkd", "reproduce", "RUN"),
        ("nerkd", "report", "RUN"),
    ]
    for line, command in zip(words[:3], (run_cli.command, reproduce_cli.command, reproduce_cli.command), strict=True):
        context = command.make_context(line[1], line[2:])
        assert isinstance(context, click.Context)
        loaded = load_recorded(settings.output / "settings.yaml", context.params["overrides"])
        assert (str(loaded.data_root), str(loaded.student)) == ("DATA", "ENCODER")
    run_line = run_cli.command.make_context("run", words[0][2:]).params["overrides"]
    loaded = load_recorded(settings.output / "settings.yaml", run_line)
    assert loaded.annotator.engine.model_dump()["answers"] == Path("ANSWERS")
    assert str(loaded.output) == "RUN"


def test_a_run_from_before_near_copies_were_looked_for_is_gone_on_with_as_it_was(settings: ExperimentSettings) -> None:
    path = settings.output / "settings.yaml"
    values = yaml.safe_load(path.read_text())
    assert "near_duplicates.allow" not in commands(open_run(settings.output))
    del values["near_duplicates"]
    write_text(path, yaml.safe_dump(values))
    assert "--set near_duplicates.allow=true" in commands(open_run(settings.output))


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("conll/dev.conll", "conll/dev.conll"),
        ("/home/somebody/data/dev.conll", "data/dev.conll"),
        ("/dev.conll", "dev.conll"),
    ],
)
def test_absolute_paths_are_cut_to_their_end(path: str, told: str) -> None:
    assert below_root(Path(path)) == told
