"""Whole runs through `accelerate launch`, with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.settings import save_settings
from nerkd_local.train.launch import Launch, launch, launch_environment, launch_modules, read_launcher_config
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from tests.train.conftest import SettingsMaker, documents
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "accelerate"


def write(settings: TrainSettings, folder: Path) -> Path:
    path = folder / f"{settings.output.name}.yaml"
    save_settings(settings, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_gloo_ranks_join_and_end_in_the_weights_of_one_process(
    make_settings: SettingsMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: int, dropout: float
) -> None:
    """Five steps of three examples: rank 1 of two has one, or, where that is the zero-width sentence, nothing; the last
    of four never has any."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_documents(tmp_path / "gold.jsonl", documents("gold"))
    changes = {"steps": 5, "dropout": dropout, "evaluation": tmp_path / "gold.jsonl", "evaluate_every": 2}
    one = train(make_settings(output="one", **changes))
    many = make_settings(output="many", **changes)
    shipped = (CONFIGS / "cpu_two_processes.yaml").read_text()
    (tmp_path / "ranks.yaml").write_text(shipped.replace("num_processes: 2", f"num_processes: {world}"))
    assert launch(write(many, tmp_path), tmp_path / "ranks.yaml") == 0
    done = read_json(many.output / "done.json")
    assert (done["world_size"], done["ranks"]) == (world, list(range(world)))
    left = load_file(one.student / "model.safetensors")
    right = load_file(many.output / "student" / "model.safetensors")
    for name, weights in left.items():
        # float32 sums in another order, through five AdamW steps
        torch.testing.assert_close(right[name], weights, rtol=0, atol=1e-5, msg=name)
    ledgers = [read_lines(one.exposure.path), read_lines(many.output / "exposure.jsonl")]
    for alone, joined in zip(*ledgers, strict=True):
        for source in ("original", "distilled"):
            # words, tokens and ids are equal: so is what the loss is divided by
            losses = alone[source].pop("loss"), joined[source].pop("loss")  # None for a source without words
            assert losses[0] == losses[1] or losses[1] == pytest.approx(losses[0], rel=1e-4)
        assert joined == alone
    assert read_lines(many.output / "evaluations.jsonl") == read_lines(one.evaluations.path)


@pytest.mark.slow
def test_three_ranks_that_were_interrupted_end_in_the_same_bits(
    make_settings: SettingsMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three ranks the order of a sum depends on how torch lays gradients out, and it does so anew after the first
    backward of a process; two cannot show it."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shipped = (CONFIGS / "cpu_two_processes.yaml").read_text()
    (tmp_path / "ranks.yaml").write_text(shipped.replace("num_processes: 2", "num_processes: 3"))
    whole, again = (make_settings(steps=6, output=name, checkpoint_every=2) for name in ("whole", "again"))
    assert launch(write(whole, tmp_path), tmp_path / "ranks.yaml") == 0
    assert launch(write(again, tmp_path), tmp_path / "ranks.yaml") == 0
    # as a kill after step 2 would have left it
    (again.output / "done.json").unlink()
    shutil.rmtree(again.output / "student")
    shutil.rmtree(again.output / "checkpoints" / "step-00000004")
    assert launch(tmp_path / "again.yaml", tmp_path / "ranks.yaml") == 0
    weights = [(each.output / "student" / "model.safetensors").read_bytes() for each in (whole, again)]
    assert weights[0] == weights[1]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_signal_to_the_launcher_ends_in_a_checkpoint_and_exit_code_3(
    make_settings: SettingsMaker, tmp_path: Path
) -> None:
    settings = make_settings(steps=5000, output="signalled", log_every=1)
    process = start_launching(write(settings, tmp_path), CONFIGS / "cpu_two_processes.yaml")
    wait_for_a_step(process, settings)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    (checkpoint,) = (settings.output / "checkpoints").iterdir()
    assert 0 < read_json(checkpoint / "manifest.json")["step"] < 5000
    assert not (settings.output / "done.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "processes"), [(signal.SIGTERM, "cpu_two_processes"), (signal.SIGUSR1, "cpu")], ids=["TERM", "USR1"]
)
def test_a_signal_during_an_evaluation_is_heard_there_and_the_same_command_ends_in_the_same_bits(
    make_settings: SettingsMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, processes: str
) -> None:
    monkeypatch.chdir(ROOT)
    gold = [replace(each, id=f"{each.id}:{copy}") for copy in range(500) for each in documents("gold")]
    write_documents(tmp_path / "gold.jsonl", gold)  # takes a second
    changes = {"steps": 5, "evaluation": tmp_path / "gold.jsonl", "evaluate_every": 3, "keep": "best"}
    settings, whole = make_settings(output="stopped", **changes), make_settings(output="whole", **changes)
    config = write(settings, tmp_path)
    process = start_launching(config, CONFIGS / f"{processes}.yaml")
    wait_for_a_step(process, settings, 3)  # the next that is done is the evaluation
    process.send_signal(sent)
    assert process.wait(60) == 3
    assert not (settings.output / "evaluations.jsonl").exists()
    (checkpoint,) = (settings.output / "checkpoints").iterdir()
    assert read_json(checkpoint / "manifest.json")["step"] == 3

    assert launch(config, CONFIGS / f"{processes}.yaml") == 0
    assert launch(write(whole, tmp_path), CONFIGS / f"{processes}.yaml") == 0
    for name in ("student/model.safetensors", "exposure.jsonl", "evaluations.jsonl"):
        assert (settings.output / name).read_bytes() == (whole.output / name).read_bytes(), name


def start_launching(config: Path, accelerate_config: Path) -> subprocess.Popen[bytes]:
    """Call `launch` in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from nerkd_local.train.launch import launch;"
        "sys.exit(launch(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(config), str(accelerate_config)], cwd=ROOT, start_new_session=True
    )


def wait_for_a_step(process: subprocess.Popen[bytes], settings: TrainSettings, number: int = 1) -> None:
    """Wait until so many steps are done."""
    ledger = settings.output / "exposure.jsonl"

    def logged() -> bool:
        assert process.poll() is None
        return ledger.exists() and ledger.read_text().count("\n") >= number

    wait_until(logged, within_s=120)


def processes_of(config: Path) -> list[int]:
    """The processes, launchers and ranks, that have the settings file on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(config).encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["cpu", "cpu_two_processes"])
def test_a_killed_command_takes_its_ranks_along_and_the_same_command_ends_in_the_same_bits(
    make_settings: SettingsMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    monkeypatch.chdir(ROOT)
    accelerate_config = CONFIGS / f"{processes}.yaml"
    settings = make_settings(steps=300, output="killed", log_every=1)
    config = write(settings, tmp_path)
    process = start_launching(config, accelerate_config)
    wait_for_a_step(process, settings)
    ranks = 2 if processes == "cpu_two_processes" else 1
    assert len(processes_of(config)) == ranks + 2  # this test's child, accelerate's launcher, the ranks
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(config), within_s=60)
    (checkpoint,) = (settings.output / "checkpoints").iterdir()
    assert 0 < read_json(checkpoint / "manifest.json")["step"] < 300

    assert launch(config, accelerate_config) == 0
    whole = make_settings(steps=300, output="whole", log_every=1)
    assert launch(write(whole, tmp_path), accelerate_config) == 0
    left, right = (load_file(each.output / "student" / "model.safetensors") for each in (settings, whole))
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert (settings.output / "exposure.jsonl").read_text() == (whole.output / "exposure.jsonl").read_text()


@pytest.mark.slow
def test_ranks_end_with_their_launcher(make_settings: SettingsMaker, tmp_path: Path) -> None:
    settings = make_settings(steps=5000, output="orphaned", log_every=1)
    config = write(settings, tmp_path)
    process = start_launching(config, CONFIGS / "cpu_two_processes.yaml")
    wait_for_a_step(process, settings)
    (launcher,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(launcher), signal.SIGKILL)
    assert process.wait(60) == 1
    wait_until(lambda: not processes_of(config), within_s=60)


@pytest.mark.slow
def test_a_users_error_is_one_line_and_its_exit_code(
    make_settings: SettingsMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    config = write(make_settings(original=tmp_path / "absent.jsonl", output="bad"), tmp_path)
    assert launch(config, CONFIGS / "cpu.yaml") == 2
    error = capfd.readouterr().err
    assert error.strip() == f"{tmp_path / 'absent.jsonl'}: no such file; check the path"


def test_settings_are_checked_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("studnet: x\n")
    with pytest.raises(InputError, match="studnet"):
        launch(tmp_path / "bad.yaml", CONFIGS / "cpu.yaml")


def test_a_file_that_is_no_launcher_configuration_is_named(make_settings: SettingsMaker, tmp_path: Path) -> None:
    config = write(make_settings(), tmp_path)
    with pytest.raises(InputError, match=r"run\.yaml: is no accelerate configuration"):
        launch(config, config)


@pytest.mark.parametrize("text", ["num_processes: two", "num_processes:", "num_processes: 1\nnum_machines: 0"])
def test_a_launcher_configuration_without_whole_numbers_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(InputError, match="a whole number from 1 on is needed"):
        read_launcher_config(tmp_path / "odd.yaml")


def test_threads_are_shared_among_the_processes_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerkd_local.train.launch.usable_cores", lambda: 8)
    four = {"num_processes": 4, "num_machines": 2, "use_cpu": True}
    environment = launch_environment(four, {"HOME": "/home/x"})
    assert environment["OMP_NUM_THREADS"] == "4"
    assert environment["ACCELERATE_USE_CPU"] == "true"
    assert environment["HOME"] == "/home/x"
    assert launch_environment({"num_processes": 20}, {})["OMP_NUM_THREADS"] == "1"


def test_what_the_user_set_stays() -> None:
    environment = launch_environment({"num_processes": 1}, {"OMP_NUM_THREADS": "3", "NCCL_IB_HCA": "mlx5_0"})
    assert (environment["OMP_NUM_THREADS"], environment["NCCL_IB_HCA"]) == ("3", "mlx5_0")


def test_several_machines_on_a_local_network_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 machines are to train .* --network 'cluster interface=NAME peers="):
        launch_modules([Launch(("no_such_module",))], CONFIGS / "multi_node.yaml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_says_how_to_launch_it_and_is_read_by_accelerate(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"--accelerate {path.stem}" in line or "--accelerate my_" in line for line in header)
    assert any("accelerate launch" in line for line in header)
    assert load_config_from_file(str(path)).num_processes >= 1
