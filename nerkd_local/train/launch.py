"""Starting a run through `accelerate launch`, and stopping it without losing a step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from nerkd_local.errors import InputError
from nerkd_local.files import read_text
from nerkd_local.machine import usable_cores
from nerkd_local.settings import load_settings
from nerkd_local.stopping import StopRequest, listen_for_stop
from nerkd_local.train.settings import TrainSettings

LAUNCH_FOLDER = "NERKD_LAUNCH_FOLDER"
"""The environment variable that names the folder through which `launch` and the ranks speak: a rank leaves
its exit code in EXIT_CODE, and a file STOP asks the ranks to stop. (Signals do not reach them: torch's
launcher puts each rank in a session of its own, and one sent while a rank is still importing would be
lost.)"""
EXIT_CODE = "exit_code"
STOP = "stop"


def launch(config: Path, accelerate_config: Path, overrides: Sequence[str] = ()) -> int:
    """Train as `config` says on the processes that `accelerate_config` describes; returns the exit code.

    0 done, 1 a bug (with its traceback on stderr), otherwise that of the error a rank reported there. Ctrl-C,
    SIGTERM and SIGUSR1 are passed on to the ranks, which finish their step, save and end with 3; a second
    Ctrl-C kills them. Main thread only. Raises InputError if either file is unusable, before starting
    anything.
    """
    load_settings(TrainSettings, config, overrides)
    machines = _read_launcher_config(accelerate_config)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(accelerate_config)]
    command += ["-m", "nerkd_local.train", str(config), *overrides]
    with tempfile.TemporaryDirectory(prefix="nerkd-") as folder, listen_for_stop() as stop:
        process = subprocess.Popen(
            command,
            env={**launch_environment(machines, os.environ), LAUNCH_FOLDER: folder},
            start_new_session=True,  # the terminal's Ctrl-C comes to this process alone
            preexec_fn=_ignore_stop_signals,
        )
        try:
            code = _wait(process, stop, Path(folder) / STOP)
        finally:
            _kill(process)
        ending = Path(folder) / EXIT_CODE
        if ending.exists():
            return int(read_text(ending))
    return 1 if code else 0


def launch_environment(machines: Mapping[str, Any], inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the launcher and its ranks. What the user has set for the shared resources stays.

    `machines` is the accelerate configuration. Without `ACCELERATE_USE_CPU`, several CPU processes would
    start and never join (accelerate 1.15).
    """
    processes, hosts = int(machines.get("num_processes", 1)), int(machines.get("num_machines", 1))
    defaults = {
        "OMP_NUM_THREADS": str(max(usable_cores() // max(processes // hosts, 1), 1)),
        "OMP_WAIT_POLICY": "PASSIVE",  # see `threads`
        # cuBLAS adds in a fixed order only with a workspace chosen before its first use
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    if hosts == 1:
        defaults |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    environment = {**defaults, **inherited}
    # torch's launcher would answer other signals by ending the ranks before they have saved
    environment["PET_SIGNALS_TO_HANDLE"] = "SIGHUP"
    if machines.get("use_cpu"):
        environment["ACCELERATE_USE_CPU"] = "true"
    return environment


def _wait(process: subprocess.Popen[bytes], stop: StopRequest, stop_file: Path) -> int:
    while True:
        try:
            return process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            if stop:
                stop_file.touch()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a launcher that is still there, and its ranks: on SIGHUP torch's launcher ends them first."""
    for number, patience_s in ((signal.SIGHUP, 10), (signal.SIGKILL, None)):
        if process.poll() is None:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(patience_s)


def _ignore_stop_signals() -> None:
    """For the launcher: it would die of them and leave its ranks behind, which set their own handlers."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _read_launcher_config(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {' '.join(str(error).split())}", path=path) from None
    if not isinstance(value, dict) or "num_processes" not in value:
        raise InputError("is no accelerate configuration; it has no num_processes", path=path)
    return value
