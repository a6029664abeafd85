"""The Slurm script itself, with fakes of Slurm's two commands: signals passed on, interrupted work queued again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from nerkd_local.annotate.shards import read_account
from tests.fakes.slurm import REAL_NERKD, Cluster
from tests.waiting import wait_until

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm" / "annotate.sbatch"

FAKE_SRUN = """#!/usr/bin/env bash
# fake: runs the command here, in place of a step on the job's node
exec "$@"
"""
FAKE_SCONTROL = """#!/usr/bin/env bash
# fake: notes what it was asked
echo "$@" >> "$FAKES/scontrol.log"
exit "${FAKE_SCONTROL_EXIT:-0}"
"""
FAKE_NERKD = """#!/usr/bin/env bash
# fake: notes its arguments, and ends as it is told
echo "$@" > "$FAKES/nerkd.log"
exit "${FAKE_NERKD_EXIT:-0}"
"""

TASK = {
    "SLURM_ARRAY_JOB_ID": "77",
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "2",
    "SLURM_ARRAY_TASK_STEP": "1",
    "SLURM_ARRAY_TASK_COUNT": "2",
}


def cluster(folder: Path, nerkd: str) -> Cluster:
    return Cluster(folder, SCRIPT, {"srun": FAKE_SRUN, "scontrol": FAKE_SCONTROL, "nerkd": nerkd}, TASK)


@pytest.fixture
def fakes(tmp_path: Path) -> Cluster:
    return cluster(tmp_path / "fakes", FAKE_NERKD)


@pytest.mark.parametrize(
    ("array", "shard"),
    [
        ({}, "2/2"),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "1"}, "1/2"),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_MAX": "8",
          "SLURM_ARRAY_TASK_COUNT": "4"}, "3/4"),
        ({"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "13",
          "SLURM_ARRAY_TASK_STEP": "4", "SLURM_ARRAY_TASK_COUNT": "4"}, "3/4"),
        ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "5", "NERKD_SHARDS": "8"},
         "5/8"),
    ],
)  # fmt: skip
def test_a_task_is_the_shard_of_its_place_in_the_array(fakes: Cluster, array: dict[str, str], shard: str) -> None:
    code, told = fakes.run("lines", "c.jsonl", "--output", "a folder", **array)
    assert (code, told) == (0, "")
    assert (fakes.folder / "nerkd.log").read_text() == (
        f"annotate lines c.jsonl --output a folder --shard {shard} --scratch {fakes.folder / 'tmp'}/nerkd-77\n"
    )


def test_slurms_own_folder_on_the_node_comes_first(fakes: Cluster) -> None:
    fakes.run("lines", "c.jsonl", SLURM_TMPDIR="/of-the-job")
    assert "--scratch /of-the-job/nerkd-77\n" in (fakes.folder / "nerkd.log").read_text()


@pytest.mark.parametrize("code", [0, 1, 2, 4, 137])
def test_other_codes_are_passed_on_and_nothing_is_queued(fakes: Cluster, code: int) -> None:
    assert fakes.run("lines", "c.jsonl", FAKE_NERKD_EXIT=str(code))[0] == code
    assert fakes.requeued == []


@pytest.mark.parametrize("code", [3, 128 + signal.SIGUSR1])
def test_interrupted_work_is_queued_again(fakes: Cluster, code: int) -> None:
    assert fakes.run("lines", "c.jsonl", FAKE_NERKD_EXIT=str(code)) == (3, "")
    assert fakes.requeued == ["requeue 77_2"]


@pytest.mark.parametrize(
    ("environment", "message", "asked"),
    [
        (
            {"FAKE_SCONTROL_EXIT": "1"},
            "shard 2/2 is not finished and could not be queued again; submit it once more",
            1,
        ),
        ({"SLURM_RESTART_COUNT": "100"}, "shard 2/2 was interrupted for the 100th time; not queued again", 0),
    ],
)
def test_what_cannot_go_on_by_itself_is_said(
    fakes: Cluster, environment: dict[str, str], message: str, asked: int
) -> None:
    code, told = fakes.run("lines", "c.jsonl", FAKE_NERKD_EXIT="3", **environment)
    assert code == 3
    assert message in told
    assert len(fakes.requeued) == asked


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["lines"], {}, "usage: sbatch --array=1-N"),
        (["lines", "c.jsonl"], {"SLURM_ARRAY_TASK_ID": ""}, "not a task of an array job"),
        (
            ["lines", "c.jsonl"],
            {"SLURM_ARRAY_TASK_MAX": "9"},
            "the array has holes; say how many shards there are in all",
        ),
    ],
)
def test_a_wrong_call_runs_nothing(
    fakes: Cluster, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    code, told = fakes.run(*arguments, **environment)
    assert code == 2
    assert message in told
    assert not (fakes.folder / "nerkd.log").exists()


def test_the_header_asks_for_what_the_script_relies_on() -> None:
    options = {line.split(maxsplit=1)[1] for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH ")}
    assert {"--signal=B:USR1@300", "--requeue", "--open-mode=append", "--gres=gpu:1"} <= options
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "requeued"), [(signal.SIGUSR1, ["requeue 77_2"]), (signal.SIGTERM, [])], ids=["time is up", "cancelled"]
)
def test_a_signal_in_the_middle_drains_stores_and_copies(
    tmp_path: Path, sent: signal.Signals, requeued: list[str]
) -> None:
    slurm = cluster(tmp_path / "fakes", REAL_NERKD)
    texts = [f"Ann{number} saw Bonn" for number in range(40_000)]
    (tmp_path / "c.conll").write_text("".join(text.replace(" ", "\n") + "\n\n" for text in texts))
    rows = [{"text": text, "answer": f"PER\t{text.split()[0]}"} for text in texts]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["recorded", tmp_path / "c.conll", "--output", tmp_path / "out"]
    arguments += ["--set", f"engine.answers={tmp_path / 'a.jsonl'}"]
    folder = tmp_path / "out" / "shard-2-of-2"
    log = slurm.folder / "tmp" / "nerkd-77" / folder.name / "answers.sqlite-wal"

    process = slurm.start(*arguments)
    wait_until(lambda: log.exists() and log.stat().st_size > 100_000, within_s=60)
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3, told
    assert "stopped: " in told
    assert slurm.requeued == requeued
    account = read_account(folder)
    assert account is not None
    assert 0 < account.answers < account.share

    # on another node
    code, told = slurm.run(*arguments, SLURM_TMPDIR=str(tmp_path / "node2"))
    assert code == 0, told
    assert f"going on: {account.answers:,} of {account.share:,} answers are stored" in told
    account = read_account(folder)
    assert account is not None
    assert account.is_whole
