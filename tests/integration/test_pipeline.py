"""`nerkd run` from corpora to figure with real parts (a tiny random encoder, recorded answers), twice."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

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
        "near_duplicates: {allow: true}\n"  # one frame makes them all
        "training: {steps: 6, batch_size: 4, max_tokens: 32, stride: 8, learning_rate: 0.001}\n"
        "label_study: {source: news, sizes: [6]}\n"
        "annotator_study: {corpus: {path: train.conll}, sample: 5, formats: [lines]}\n"
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
    strict = {row.get("student"): row["f1"] for row in scores if (row["type"], row["mode"]) == ("micro", "strict")}
    names = ["original_only-n8-seed0", "simple_mix-n8-news-seed0"]
    assert [f"{float(row['f1_mean']):.6f}" for row in table] == [f"{strict[name]:.6f}" for name in names]
    assert (table[0]["difference_mean"], table[0]["mix"], table[1]["mix"]) == ("", "", "news")
    gained = strict["simple_mix-n8-news-seed0"] - strict["original_only-n8-seed0"]
    assert float(table[1]["difference_mean"]) == pytest.approx(gained)
    assert {"labels-human-n6-seed0", "labels-LLM-n6-seed0"} < set(strict)
    # what the human and the LLM labels are of the same sentences
    labelled = {
        whose: [json.loads(line) for line in (out / "annotations" / f"labels-{whose}-6.jsonl").read_text().splitlines()]
        for whose in ("human", "LLM")
    }
    assert [row["id"] for row in labelled["human"]] == [row["id"] for row in labelled["LLM"]]
    assert [len(row["spans"]) for row in labelled["human"]] == [2] * 6
    assert [len(row["spans"]) for row in labelled["LLM"]] == [1] * 6
    done = json.loads((out / "cells" / "simple_mix-n8-news-seed0" / "done.json").read_text())
    assert (done["steps"], done["world_size"]) == (6, 1)
    done = json.loads((out / "cells" / "simple_mix-n8-news-seed0" / "done.json").read_text())
    assert done["examples"] == {"original": 12, "distilled": 12}

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
    for change in ("training.threads=1", "workers=1", "annotator.engine.answers=elsewhere.jsonl"):
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
    assert "original_only-n8-seed0: max_tokens 4096 is more than this encoder can read" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    mended = run(experiment, tmp_path)  # nothing was trained, so the folder is still open to other settings
    assert mended.returncode == 0, mended.stderr


@pytest.mark.slow
def test_two_processes_share_the_students_of_a_nested_cross_validation(experiment: list[str], tmp_path: Path) -> None:
    changes = ["evaluation=null", "folds={count: 3}", "label_study=null", "annotator_study=null", "keep_students=false"]
    changes += ["regimens=[original_only, distilled_only]", "original.sizes=[16]", "training.threads=1"]
    command = [*experiment, *(word for change in changes for word in ("--set", change))]
    pair = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(process.communicate(), process.returncode) for process in pair]
    assert [code for _, code in ended] == [0, 0], ended
    (first, first_log), (second, second_log) = (texts for texts, _ in ended)
    assert first == second
    trained = sorted(path.name for path in (tmp_path / "out" / "cells").iterdir())
    outs = ["0", "0+1", "0+2", "1", "1+2", "2"]
    wanted = ["distilled_only-n16-news-seed0-without0+1+2", *(f"original_only-n16-seed0-without{out}" for out in outs)]
    assert trained == wanted
    for name in wanted:  # one process trained it; the other one, at most, waited and read
        assert (first_log + second_log).count(f"/{name}/student\n") <= 1
        assert not (tmp_path / "out" / "cells" / name / "student").exists()
    with (tmp_path / "out" / "results" / "table.csv").open(newline="") as stream:
        rows = {row["regimen"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {"original_only", "distilled_only", "chosen on inner folds"}
    assert "12 of the original sentences in 3 folds" in first
    assert "differences in F1" in first_log  # what so few labels can show, said before anything is annotated
    again = run(command, tmp_path)
    assert (again.returncode, again.stdout) == (0, first)


@pytest.mark.slow
def test_results_of_an_unfinished_grid_say_so(experiment: list[str], tmp_path: Path) -> None:
    only = [*experiment, "--set", "label_study=null", "--set", "regimens=[original_only]"]
    assert run(only, tmp_path).returncode == 0
    partly = run([*experiment, "--no-train"], tmp_path)
    assert partly.returncode == 0, partly.stderr
    assert "**1 of 4 students are finished**" in partly.stdout
    assert "simple_mix" not in partly.stdout
    assert sorted(path.name for path in (tmp_path / "out" / "cells").iterdir()) == ["original_only-n8-seed0"]


@pytest.mark.slow
def test_a_command_that_is_stopped_and_killed_goes_on_to_the_results_of_one_worker(
    experiment: list[str], tmp_path: Path
) -> None:
    command = [*experiment, "--set", "label_study=null", "--set", "annotator_study=null", "--set", "training.steps=150"]
    command += ["--set", "regimens=[original_only, distilled_only, simple_mix]", "--set", "training.threads=1"]
    several, one = [*command, "--set", "workers=2"], [*command, "--set", "workers=1", "--set", "output=alone"]

    def steps_done() -> int:
        return sum(path.read_text().count("\n") for path in tmp_path.glob("out/cells/*/exposure.jsonl"))

    def wait_for(steps: int) -> None:
        wait_until(lambda: steps_done() >= steps, within_s=120)

    for sent, code in ((signal.SIGTERM, 3), (signal.SIGKILL, -signal.SIGKILL)):
        known = steps_done()
        process = subprocess.Popen(several, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(known + 20)  # in the middle of two students
        process.send_signal(sent)
        assert process.wait(120) == code
    for done in (run(several, tmp_path), run(one, tmp_path)):
        assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "alone" / "cells").iterdir())
    assert sorted(path.name for path in (tmp_path / "out" / "cells").iterdir()) == names
    for name in names:
        there, here = (tmp_path / folder / "cells" / name for folder in ("alone", "out"))
        for file in ("predictions-evaluation.jsonl", "counts.npz", "exposure.jsonl", "result.json"):
            assert (here / file).read_bytes() == (there / file).read_bytes(), (name, file)
        assert not (here / "checkpoints").exists()
    assert not (tmp_path / "out" / "prefixes").exists()
