"""Whole runs through `accelerate launch`, with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.settings import save_settings
from nerkd_local.train.launch import launch, launch_environment
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from tests.train.conftest import SettingsMaker

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "accelerate"


def write(settings: TrainSettings, folder: Path) -> Path:
    path = folder / f"{settings.output.name}.yaml"
    save_settings(settings, path)
    return path


@pytest.mark.slow
def test_two_gloo_ranks_join_and_end_in_the_weights_of_one_process(
    make_settings: SettingsMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    # five steps of three examples: rank 1 has one, and where that is the zero-width sentence, nothing
    one = train(make_settings(steps=5, output="one", dropout=0.0))
    two = make_settings(steps=5, output="two", dropout=0.0)
    assert launch(write(two, tmp_path), CONFIGS / "cpu_two_processes.yaml") == 0
    done = read_json(two.output / "done.json")
    assert (done["world_size"], done["ranks"]) == (2, [0, 1])
    left = load_file(one.student / "model.safetensors")
    right = load_file(two.output / "student" / "model.safetensors")
    for name, weights in left.items():
        # float32 sums in another order, through five AdamW steps
        torch.testing.assert_close(right[name], weights, rtol=0, atol=1e-5, msg=name)
    counts = [read_last(one.metrics), read_last(two.output / "metrics.jsonl")]
    assert counts[0]["loss"] == pytest.approx(counts[1]["loss"], rel=1e-4)
    assert [counts[0][key] for key in ("step", "examples", "tokens")] == [
        counts[1][key] for key in ("step", "examples", "tokens")
    ]


def read_last(path: Path) -> dict[str, object]:
    import json

    value: dict[str, object] = json.loads(path.read_text().splitlines()[-1])
    return value


@pytest.mark.slow
def test_a_signal_to_the_launcher_ends_in_a_checkpoint_and_exit_code_3(
    make_settings: SettingsMaker, tmp_path: Path
) -> None:
    settings = make_settings(steps=5000, output="signalled", log_every=1)
    config = write(settings, tmp_path)
    code = (
        "import sys; from pathlib import Path; from nerkd_local.train.launch import launch;"
        "sys.exit(launch(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(config), str(CONFIGS / "cpu_two_processes.yaml")]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 120
    metrics = settings.output / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    (checkpoint,) = (settings.output / "checkpoints").iterdir()
    assert 0 < read_json(checkpoint / "manifest.json")["step"] < 5000
    assert not (settings.output / "done.json").exists()


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


def test_threads_are_shared_among_the_processes_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerkd_local.train.launch.usable_cores", lambda: 8)
    four = {"num_processes": 4, "num_machines": 2, "use_cpu": True}
    environment = launch_environment(four, {"HOME": "/home/x"})
    assert environment["OMP_NUM_THREADS"] == "4"
    assert environment["ACCELERATE_USE_CPU"] == "true"
    assert environment["HOME"] == "/home/x"
    assert "GLOO_SOCKET_IFNAME" not in environment  # ranks on other machines must be reached
    assert launch_environment({"num_processes": 20}, {})["OMP_NUM_THREADS"] == "1"
    assert launch_environment({"num_processes": 1}, {})["GLOO_SOCKET_IFNAME"] == "lo"


def test_what_the_user_set_stays() -> None:
    environment = launch_environment({"num_processes": 1}, {"OMP_NUM_THREADS": "3", "GLOO_SOCKET_IFNAME": "ib0"})
    assert (environment["OMP_NUM_THREADS"], environment["GLOO_SOCKET_IFNAME"]) == ("3", "ib0")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_says_how_to_launch_it_and_is_read_by_accelerate(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"--accelerate {path.stem}" in line or "--accelerate my_" in line for line in header)
    assert any("accelerate launch" in line for line in header)
    assert load_config_from_file(str(path)).num_processes >= 1
