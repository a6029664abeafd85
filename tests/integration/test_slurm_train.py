"""The Slurm script of training, with fakes of Slurm's commands: one launcher a node, interrupted work queued again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from nerkd_local.settings import save_settings
from nerkd_local.train.exposure import replay
from nerkd_local.train.settings import TrainSettings
from tests.fakes.slurm import REAL_NERKD, Cluster
from tests.train.conftest import SettingsMaker, make_plan
from tests.train.conftest import make_settings as make_settings
from tests.waiting import wait_until

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm" / "train.sbatch"

FAKE_SRUN = """#!/usr/bin/env bash
# fake: runs the command here once a node, side by side; passes signals on; ends with the highest code
echo "$@" > "$FAKES/srun.log"
while [[ $1 == --* ]]; do shift; done
children=()
trap 'kill -s USR1 "${children[@]}"; again=yes' USR1
trap 'kill -s TERM "${children[@]}"; again=yes' TERM
for node in $(seq 0 $((SLURM_JOB_NUM_NODES - 1))); do
    SLURM_NODEID=$node "$@" &
    children+=($!)
done
worst=0
for child in "${children[@]}"; do
    while true; do
        again=
        wait "$child"
        code=$?
        [[ $code -gt 128 && -n $again ]] || break
    done
    ((code > worst)) && worst=$code
done
exit "$worst"
"""
FAKE_SCONTROL = """#!/usr/bin/env bash
# fake: says that all nodes are this one, and notes what else it was asked
if [[ $1 == show ]]; then
    printf '127.0.0.1\\nother\\n'
    exit
fi
echo "$@" >> "$FAKES/scontrol.log"
exit "${FAKE_SCONTROL_EXIT:-0}"
"""
FAKE_NERKD = """#!/usr/bin/env bash
# fake: keeps its arguments and the launcher's configuration, and ends as it is told
echo "$@" > "$FAKES/nerkd-$SLURM_NODEID.log"
cp "${@: -1}" "$FAKES/accelerate-$SLURM_NODEID.yaml"
echo "${NERKD_NETWORK:-}" > "$FAKES/network-$SLURM_NODEID"
exit "${FAKE_NERKD_EXIT:-0}"
"""
JOB = {
    "SLURM_JOB_ID": "40077",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_JOB_NODELIST": "n[1-2]",
    "SLURM_GPUS_ON_NODE": "4",
    "NERKD_INTERFACE": "ib0",
}


def cluster(folder: Path, nerkd: str) -> Cluster:
    return Cluster(folder, SCRIPT, {"srun": FAKE_SRUN, "scontrol": FAKE_SCONTROL, "nerkd": nerkd}, JOB)


@pytest.fixture
def fakes(tmp_path: Path) -> Cluster:
    return cluster(tmp_path / "fakes", FAKE_NERKD)


def test_each_node_gets_the_same_launch_with_its_own_number(fakes: Cluster) -> None:
    assert fakes.run("a run.yaml", "--set", "seed=2") == (0, "")
    assert "--nodes=2 --ntasks-per-node=1" in (fakes.folder / "srun.log").read_text()
    for node in range(2):
        assert (
            (fakes.folder / f"nerkd-{node}.log").read_text().startswith("train a run.yaml --set seed=2 --accelerate /")
        )
        config = yaml.safe_load((fakes.folder / f"accelerate-{node}.yaml").read_text())
        assert (config["machine_rank"], config["num_machines"], config["num_processes"]) == (node, 2, 8)
        assert (config["main_process_ip"], config["main_process_port"]) == ("127.0.0.1", 20077)
        assert (config["distributed_type"], config["use_cpu"]) == ("MULTI_GPU", False)


def test_the_network_is_the_nodes_of_the_job_unless_another_is_named(fakes: Cluster) -> None:
    assert fakes.run("run.yaml")[0] == 0
    assert (fakes.folder / "network-1").read_text() == "cluster interface=ib0 peers=127.0.0.1,other\n"
    named = "cluster interface=eth1 peers=10.1.0.0/24"
    assert fakes.run("run.yaml", NERKD_NETWORK=named)[0] == 0
    assert (fakes.folder / "network-1").read_text() == f"{named}\n"
    assert fakes.run("run.yaml", NERKD_INTERFACE="", SLURM_JOB_NUM_NODES="1")[0] == 0
    assert (fakes.folder / "network-0").read_text() == "\n"


def test_a_single_process_is_launched_as_one(fakes: Cluster) -> None:
    assert fakes.run("run.yaml", SLURM_JOB_NUM_NODES="1", SLURM_GPUS_ON_NODE="1")[0] == 0
    config = yaml.safe_load((fakes.folder / "accelerate-0.yaml").read_text())
    assert (config["distributed_type"], config["num_processes"]) == ("NO", 1)


def test_the_configuration_has_the_keys_of_the_shipped_one(fakes: Cluster) -> None:
    fakes.run("run.yaml")
    shipped = yaml.safe_load((SCRIPT.parents[2] / "configs" / "accelerate" / "multi_node.yaml").read_text())
    assert yaml.safe_load((fakes.folder / "accelerate-1.yaml").read_text()).keys() == shipped.keys()


@pytest.mark.parametrize("code", [0, 1, 2, 4, 137])
def test_other_codes_are_passed_on_and_nothing_is_queued(fakes: Cluster, code: int) -> None:
    assert fakes.run("run.yaml", FAKE_NERKD_EXIT=str(code))[0] == code
    assert fakes.requeued == []


@pytest.mark.parametrize("code", [3, 128 + signal.SIGUSR1])
def test_interrupted_work_is_queued_again(fakes: Cluster, code: int) -> None:
    assert fakes.run("run.yaml", FAKE_NERKD_EXIT=str(code)) == (3, "")
    assert fakes.requeued == ["requeue 40077"]


@pytest.mark.parametrize(
    ("environment", "message", "asked"),
    [
        ({"FAKE_SCONTROL_EXIT": "1"}, "is not finished and could not be queued again; submit it once more", 1),
        ({"SLURM_RESTART_COUNT": "100"}, "was interrupted for the 100th time; not queued again", 0),
    ],
)
def test_what_cannot_go_on_by_itself_is_said(
    fakes: Cluster, environment: dict[str, str], message: str, asked: int
) -> None:
    code, told = fakes.run("run.yaml", FAKE_NERKD_EXIT="3", **environment)
    assert code == 3
    assert message in told
    assert len(fakes.requeued) == asked


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "usage: sbatch --nodes=N"),
        (["run.yaml"], {"SLURM_JOB_ID": ""}, "not a job; submit it with sbatch"),
        (["run.yaml"], {"NERKD_INTERFACE": ""}, "several nodes need the interface that joins them"),
    ],
)
def test_a_wrong_call_runs_nothing(
    fakes: Cluster, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    code, told = fakes.run(*arguments, **environment)
    assert code == 2
    assert message in told
    assert not (fakes.folder / "srun.log").exists()


def test_the_header_asks_for_what_the_script_relies_on() -> None:
    options = {line.split(maxsplit=1)[1] for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH ")}
    assert {"--signal=B:USR1@300", "--requeue", "--open-mode=append", "--ntasks-per-node=1"} <= options
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "requeued"), [(signal.SIGUSR1, ["requeue 40077"]), (signal.SIGTERM, [])], ids=["time is up", "cancelled"]
)
def test_ranks_on_two_nodes_save_on_a_signal_and_go_on_when_queued_again(
    make_settings: SettingsMaker, tmp_path: Path, sent: signal.Signals, requeued: list[str]
) -> None:
    slurm = cluster(tmp_path / "fakes", REAL_NERKD)
    settings: TrainSettings = make_settings(steps=400, output="run", log_every=1)
    save_settings(settings, tmp_path / "run.yaml")
    network = "cluster interface=lo peers=127.0.0.1"
    cpu = {"NERKD_CPU_PROCESSES": "1", "NERKD_NETWORK": network, "OMP_NUM_THREADS": "1"}
    ledger = settings.output / "exposure.jsonl"

    process = slurm.start(tmp_path / "run.yaml", **cpu)
    wait_until(lambda: ledger.exists() and ledger.stat().st_size > 0, within_s=120)
    process.send_signal(sent)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 3, told
    assert slurm.requeued == requeued
    assert not (settings.output / "done.json").exists()
    assert len(list((settings.output / "checkpoints").glob("step-*"))) == 1

    code, told = slurm.run(tmp_path / "run.yaml", **cpu)
    assert code == 0, told
    assert sum(replay(ledger, make_plan(400)).values()) == 1200
    assert load_file(settings.output / "student" / "model.safetensors")
