"""SIGKILL in the middle of `nerkd annotate`, then the same command: the export is that of an unbroken run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerkd_local.annotate.folder import prepare_job
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore

SENTENCES = 30_000


def command(corpus: Path, answers: Path, output: Path) -> list[str]:
    nerkd = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()"]
    return [
        *nerkd,
        "annotate",
        "recorded",
        *map(str, (corpus, "--output", output, "--set", f"engine.answers={answers}")),
    ]


@pytest.mark.slow
def test_a_killed_run_repeats_nothing_stored_and_exports_the_same_bytes(tmp_path: Path) -> None:
    corpus, answers = tmp_path / "corpus.conll", tmp_path / "answers.jsonl"
    texts = [f"Ann{number} saw Bonn" for number in range(SENTENCES)]
    corpus.write_text("".join(text.replace(" ", "\n") + "\n\n" for text in texts))
    answers.write_text(
        "".join(json.dumps({"text": t, "answer": f"PER\t{t.split()[0]}\nLOC\tKiel"}) + "\n" for t in texts)
    )

    subprocess.run(command(corpus, answers, tmp_path / "whole"), check=True, capture_output=True)

    broken = tmp_path / "broken"
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command(corpus, answers, broken), stderr=subprocess.DEVNULL, env=environment)
    log = broken / "answers.sqlite-wal"
    # killed once some answers are committed, which the growing log shows; the run is far from its end then
    deadline = time.monotonic() + 60
    while not (log.exists() and log.stat().st_size > 100_000):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "annotations.jsonl").exists()

    settings = load_settings(
        AnnotatorSettings, configs_folder("annotators") / "recorded.yaml", [f"engine.answers={answers}"]
    )
    with AnswerStore(broken / "answers.sqlite") as store:
        run = store.open_run(prepare_job(settings).identity())
        before = store.count(run)
    assert 0 < before < SENTENCES
    resumed = subprocess.run(command(corpus, answers, broken), check=True, capture_output=True, text=True)
    assert f"going on: {before:,} of {SENTENCES:,} answers are stored" in resumed.stderr
    for name in ("annotations.jsonl", "ledger.json"):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
