"""Four shards as processes, one killed, one told to stop, both queued again elsewhere: merged, the unsharded bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerkd_local.annotate.shards import read_account

SENTENCES = 40_000
SHARDS = 4
NERKD = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()"]


def start(folder: Path, *more: str | Path) -> subprocess.Popen[str]:
    command = [
        "annotate", "recorded", folder / "corpus.conll", "--set", f"engine.answers={folder / 'answers.jsonl'}", *more,
    ]  # fmt: skip
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    return subprocess.Popen([*NERKD, *map(str, command)], stderr=subprocess.PIPE, text=True, env=environment)


def start_shard(folder: Path, number: int, node: str) -> subprocess.Popen[str]:
    shard = f"{number}/{SHARDS}"
    return start(folder, "--output", folder / "out", "--shard", shard, "--scratch", folder / node)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, told = process.communicate(timeout=300)
    return process.returncode, told


def wait_for_answers(process: subprocess.Popen[str], store: Path) -> None:
    """Until some answers are committed, which the growing log shows; the run is far from its end then."""
    log = store.with_name("answers.sqlite-wal")
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size > 100_000):
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.slow
def test_shards_that_were_killed_and_drained_merge_to_the_unsharded_bytes(tmp_path: Path) -> None:
    texts = [f"Ann{number % 31_000} saw Bonn" for number in range(SENTENCES)]
    (tmp_path / "corpus.conll").write_text("".join(text.replace(" ", "\n") + "\n\n" for text in texts))
    rows = [{"text": text, "answer": f"PER\t{text.split()[0]}\nLOC\tKiel"} for text in dict.fromkeys(texts)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert ended(start(tmp_path, "--output", tmp_path / "whole"))[0] == 0

    # one node each for those that are stopped, one for the others, which share its copy of the corpus
    nodes = {1: "node1", 2: "node2", 3: "node3", 4: "node1"}
    folders = {number: tmp_path / "out" / f"shard-{number}-of-{SHARDS}" for number in nodes}
    processes = {number: start_shard(tmp_path, number, node) for number, node in nodes.items()}
    for number, sent in ((2, signal.SIGUSR1), (3, signal.SIGKILL)):
        wait_for_answers(processes[number], tmp_path / nodes[number] / folders[number].name / "answers.sqlite")
        processes[number].send_signal(sent)
    codes = {number: ended(process)[0] for number, process in processes.items()}
    assert codes == {1: 0, 2: 3, 3: -signal.SIGKILL, 4: 0}

    # what was drained is in the output, to go on from anywhere; what was killed never got there
    drained = read_account(folders[2])
    assert drained is not None
    assert 0 < drained.answers < drained.share
    assert not folders[3].exists()
    merge = [*NERKD, "store", "merge", *map(str, folders.values()), "--output", str(tmp_path / "merged")]
    refused = subprocess.run(merge, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)

    for number, node, known in ((2, "node5", True), (3, "node6", False)):
        code, told = ended(start_shard(tmp_path, number, node))
        assert code == 0
        assert ("going on: " in told) == known

    subprocess.run(merge, check=True, capture_output=True)
    for name in ("annotations.jsonl", "ledger.json", "corpus.jsonl"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
