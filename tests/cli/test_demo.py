"""`nerkd demo`: from nothing to a table, a figure and a labelled sentence, and the same again from what is stored."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.demo.files import write_corpora

DEMO = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", "demo"]
SMALL = ["regimens=[original_only, simple_mix]", "seeds=[0]", "training.steps=4", "distilled.0.sample=20"]


def demo(*arguments: object, cwd: Path, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    command = [*DEMO, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, stdin=stdin)


def small(*more: str) -> list[str]:
    return [word for change in (*SMALL, *more) for word in ("--set", change)]


@pytest.fixture
def recorded(tmp_path: Path) -> list[str]:
    """The same demo with right answers in place of the model: no engine is started."""
    write_corpora(tmp_path / "answers")
    with (tmp_path / "answers.jsonl").open("w") as stream:
        for document in read_documents(tmp_path / "answers" / "news.jsonl"):
            mentions = [f"{span.label}\t{document.text[span.start : span.end]}" for span in document.spans]
            stream.write(json.dumps({"text": document.text, "answer": "\n".join(mentions) or "NONE"}) + "\n")
    return small("annotator=recorded", "annotator.engine.answers=answers.jsonl")


@pytest.mark.parametrize("text", ["", " \t"])
def test_a_text_without_a_word_is_refused_before_anything_is_done(tmp_path: Path, text: str) -> None:
    done = demo("--text", text, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "nerkd: --text holds no word; give a sentence, or leave it out\n")
    assert not list(tmp_path.iterdir())


def test_a_mistyped_setting_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    done = demo("--set", "sedes=[0]", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "unknown key 'sedes' (did you mean 'seeds'?)" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_table_figure_and_a_sentence_then_the_same_from_what_is_stored(tmp_path: Path, recorded: list[str]) -> None:
    odd = "it's: {odd}"  # a path that YAML would read as something else
    first = demo("--output", odd, "--text", "Ana Lind left.", *recorded, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    out = tmp_path / odd
    table = [line for line in first.stdout.splitlines() if line.startswith("| ")]
    assert [line.split()[1] for line in table] == ["regimen", "original_only", "simple_mix"]
    assert "sentences: 20 = 20 annotated" in first.stdout
    assert "labels: 1.000" in first.stdout  # strict F1 of right answers
    assert f"figure: {odd}/results/figure.png" in first.stdout
    assert (out / "results" / "figure.png").read_bytes().startswith(b"\x89PNG")
    words = first.stdout.splitlines()[-1]
    assert all(word in words for word in ("Ana", "Lind", "left"))
    assert "labelled by it's: {odd}/cells/simple_mix-n60-news-seed0/student" in first.stderr

    trained = {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*") if path.is_file()}
    master, terminal = os.openpty()
    os.write(master, b"Bo Berg came .\n")
    again = demo("--output", odd, *recorded, cwd=tmp_path, stdin=terminal)
    os.close(terminal)
    os.close(master)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[:-1] == first.stdout.splitlines()[:-1]
    assert "Berg" in again.stdout.splitlines()[-1]  # typed, not given
    assert "A sentence [Coach Mirolina Standov told" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*") if path.is_file()} == trained

    unasked = demo("--output", odd, *recorded, cwd=tmp_path)  # nobody is there to type
    assert unasked.returncode == 0, unasked.stderr
    assert "Karobridge" in unasked.stdout.splitlines()[-1]


@pytest.mark.slow
def test_without_vllm_the_recorded_answers_of_the_same_model_stand_in(tmp_path: Path) -> None:
    done = demo("--recorded", "--text", "Ana Lind left.", *small("regimens=[simple_mix]"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "annotate news with recorded annotator" in done.stderr
    found = re.search(r"strict F1 against the hidden human labels: (0\.\d+)", done.stdout)
    assert found is not None, done.stdout
    assert 0.6 < float(found[1]) < 0.97  # the model's, with its mistakes
