"""`nerkd run` from corpora to figure with real parts (a tiny random encoder, recorded answers), twice."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN, DEV = range(100, 140), range(12)


def sentence(number: int) -> list[str]:
    return ["Anna", "lives", "in", "Paris", *(["today"] * (number % 4)), f"{number}"]


def conll(numbers: range) -> str:
    tags = {"Anna": "B-PER", "Paris": "B-LOC"}
    return "".join("".join(f"{w}\t{tags.get(w, 'O')}\n" for w in sentence(n)) + "\n" for n in numbers)


@pytest.fixture
def experiment(tmp_path: Path, tiny_encoder: Path) -> list[str]:
    (tmp_path / "train.conll").write_text(conll(TRAIN))
    (tmp_path / "dev.conll").write_text(conll(DEV))
    rows = [{"text": " ".join(sentence(n)), "answer": "PER\tAnna\nLOC\tRome"} for n in TRAIN]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "e.yaml").write_text(
        f"name: tiny\noutput: out\nstudent: {tiny_encoder}\nannotator: recorded\n"
        "original: {corpus: {path: train.conll}, sizes: [8]}\n"
        "distilled: [{name: news, corpus: {path: train.conll}, sample: 20}]\n"
        "evaluation: {path: dev.conll}\nregimens: [original_only, simple_mix]\n"
        "training: {steps: 6, batch_size: 4, max_tokens: 32, stride: 8, learning_rate: 0.001}\n"
    )
    nerkd = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()"]
    return [*nerkd, "run", "e.yaml", "--set", "annotator.engine.answers=answers.jsonl"]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ))


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_whole_experiment_and_the_same_command_again(experiment: list[str], tmp_path: Path) -> None:
    first = run(experiment, tmp_path)
    assert first.returncode == 0, first.stderr
    out = tmp_path / "out"
    assert "sentences: 20 = 20 annotated\nmentions: 40 = 20 accepted + 20 hallucinated" in first.stdout
    assert (
        "strict F1 against the hidden human labels: 0.667 (precision 1.000, recall 0.500, 40 entities)" in first.stdout
    )
    with (out / "results" / "table.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["regimen"] for row in table] == ["original_only", "simple_mix"]
    assert (out / "results" / "figure.png").read_bytes().startswith(b"\x89PNG")
    scores = [json.loads(line) for line in (out / "results" / "scores.jsonl").read_text().splitlines()]
    strict = [row for row in scores if row.get("regimen") and (row["type"], row["mode"]) == ("micro", "strict")]
    assert [f"{float(row['f1_mean']):.6f}" for row in table] == [f"{row['f1']:.6f}" for row in strict]
    done = json.loads((out / "cells" / "simple_mix-n8-seed0" / "done.json").read_text())
    assert (done["steps"], done["world_size"]) == (6, 1)
    metrics = (out / "cells" / "simple_mix-n8-seed0" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics[-1])["examples"] == {"original": 12, "distilled": 12}

    trained = snapshot(out / "cells")
    again = run(experiment, tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert snapshot(out / "cells") == trained

    before = snapshot(out)
    for change, message in (
        ("training.steps=7", "its students were trained with another training; choose another output folder"),
        (
            "annotator.format=json",
            "they were made by another annotator (model, vLLM version, prompt, labels or sampling",
        ),
        ("annotator.labels={LOC: l, PER: p, ORG: o, MISC: m}", "they were made by another annotator"),
        ("regimens=[simpl_mix]", "no settings are called 'simpl_mix' in regimens/ (did you mean 'simple_mix'?)"),
        ("accelerate=cpuu", "no settings are called 'cpuu' in accelerate/ (did you mean 'cpu'?)"),
        ("original.sizes=[9]", "its students were trained with another original"),
    ):
        other = run([*experiment, "--set", change], tmp_path)
        assert other.returncode == 2, other.stderr
        assert message in other.stderr.splitlines()[-1]
        assert snapshot(out) == before  # refused before anything was written

    # what is not the run may change: nothing is trained again
    for change in ("training.threads=1", "training.log_every=3", "annotator.engine.answers=elsewhere.jsonl"):
        same = run([*experiment, "--set", change], tmp_path)
        assert same.returncode == 0, same.stderr
        assert same.stdout == first.stdout
        assert snapshot(out / "cells") == trained

    # a folder that was carried to where the corpora, the answers and the encoder's first home are not
    for name in ("train.conll", "dev.conll", "answers.jsonl"):
        (tmp_path / name).unlink()
    carried = run(experiment, tmp_path)
    assert carried.returncode == 0, carried.stderr
    assert carried.stdout == first.stdout


@pytest.mark.slow
def test_a_trainer_that_refuses_ends_the_experiment_with_its_exit_code(experiment: list[str], tmp_path: Path) -> None:
    done = run([*experiment, "--set", "training.max_tokens=4096"], tmp_path)
    assert done.returncode == 2, done.stderr
    assert "training original_only-n8-seed0 failed with exit code 2" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    mended = run(experiment, tmp_path)  # nothing was trained, so the folder is still open to other settings
    assert mended.returncode == 0, mended.stderr
