"""`nerkd store` and the sharded `nerkd annotate`: lines and exit codes."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.annotate.replayed import Replayed
from tests.cli.test_commands import nerkd, refused


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    return Replayed(tmp_path)


def test_shards_are_annotated_merged_verified_and_exported(tmp_path: Path, replayed: Replayed) -> None:
    annotate = ["annotate", "recorded", replayed.corpus, "--set", f"engine.answers={replayed.answers}"]
    for number in (1, 2):
        done = nerkd(*annotate, "--output", tmp_path / "o", "--shard", f"{number}/2", "--scratch", tmp_path / "node")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"shard {number}/2: ")
    shards = [tmp_path / "o" / f"shard-{number}-of-2" for number in (1, 2)]
    refused(nerkd("store", "merge", shards[0], "--output", tmp_path / "m"), "of 2 shards, these are missing: 2")
    done = nerkd("store", "merge", *shards, "--output", tmp_path / "m", "--export", "conll")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "sentences: 40 = 40 annotated"
    assert done.stderr.splitlines() == [
        "40 sentences -> annotations.conll",
        f"labels -> {tmp_path / 'm' / 'annotations.jsonl'}",
    ]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "m", check=True, stdout=-3)
    done = nerkd("store", "export", tmp_path / "m", "--format", "conll")
    assert done.returncode == 0, done.stderr
    done = nerkd("store", "info", tmp_path / "o")
    assert done.stdout.count("\n  answers: ") == 2
    done = nerkd("store", "verify", tmp_path / "m")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'm' / 'answers.sqlite'}: 40 rows, 7 sealed files, 0 problems\n"


def test_a_damaged_store_fails_its_verification_with_20_names_and_a_count(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "o").annotate()
    with sqlite3.connect(tmp_path / "o" / "answers.sqlite") as database:
        database.execute("UPDATE answers SET answer = 'NONF' WHERE sentence_no < 25")
    database.close()
    done = nerkd("store", "verify", tmp_path / "o")
    assert done.returncode == 4
    lines = done.stderr.splitlines()
    assert lines[0] == "nerkd: 26 problems"
    assert "answers.sqlite: is not the file that was sealed" in lines[1]
    assert lines[2].endswith("the answer to sentence 0 (c:0) is damaged (checksum)")
    assert lines[20].endswith("the answer to sentence 18 (c:18) is damaged (checksum)")
    assert lines[21:] == ["and 6 more"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shard", "3/2"], "'3/2' is no shard; write i/n"),
        (["--export", "xml"], "'xml' is not one of 'conll', 'parquet'"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, replayed: Replayed, more: list[str], message: str) -> None:
    done = nerkd("annotate", "recorded", replayed.corpus, "--output", tmp_path / "o", *more)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("more", [["--export", "conll"], ["--plan"]])
def test_a_shard_has_no_labels_and_no_forecast(tmp_path: Path, replayed: Replayed, more: list[str]) -> None:
    done = nerkd("annotate", "recorded", replayed.corpus, "--output", tmp_path / "o", "--shard", "1/2", *more)
    assert done.returncode == 2
    assert "a shard has no forecast or labels of its own" in done.stderr


def test_a_plan_is_a_forecast_whose_answers_are_kept(tmp_path: Path, replayed: Replayed) -> None:
    annotate = ["annotate", "recorded", replayed.corpus, "--set", f"engine.answers={replayed.answers}"]
    done = nerkd(*annotate, "--output", tmp_path / "o", "--plan", 5)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("measured: 5 sentences in ")
    assert not (tmp_path / "o" / "annotations.jsonl").exists()
    done = nerkd(*annotate, "--output", tmp_path / "o")
    assert "going on: " in done.stderr
    done = nerkd(*annotate, "--output", tmp_path / "o", "--plan")
    assert done.stdout == "nothing to plan: every sentence has its answer\n"


def test_the_group_and_its_commands_have_help() -> None:
    for name in ("merge", "info", "verify", "export"):
        done = nerkd("store", name, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"Usage: nerkd store {name} ")
    assert nerkd("store", "export", ".").returncode == 2
