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

from nerkd_local import offline
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.files import read_text
from nerkd_local.machine import usable_cores
from nerkd_local.settings import load_settings
from nerkd_local.stopping import STOP_SIGNALS, StopRequest, listen_for_stop, signal_at_parents_end
from nerkd_local.train.lifeline import Lifeline
from nerkd_local.train.settings import TrainSettings


def launch(config: Path, accelerate_config: Path, overrides: Sequence[str] = ()) -> int:
    """Train as `config` says on the processes that `accelerate_config` describes; returns the exit code.

    0 done, 1 a bug (with its traceback on stderr), otherwise that of the error a rank reported there. Ctrl-C,
    SIGTERM, SIGUSR1 and SIGHUP are passed on to the ranks, which finish their step, save and end with 3; a
    second Ctrl-C kills them. If this process is killed, the ranks miss it and do the same. Main thread only.
    Raises InputError if either file is unusable, before starting anything.
    """
    load_settings(TrainSettings, config, overrides)
    machines = read_launcher_config(accelerate_config)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(accelerate_config)]
    command += ["-m", "nerkd_local.train", str(config), *overrides]
    with tempfile.TemporaryDirectory(prefix="nerkd-") as folder, listen_for_stop() as stop:
        lifeline = Lifeline.offer(Path(folder))
        process = subprocess.Popen(
            command,
            env={**launch_environment(machines, os.environ), **lifeline.environment()},
            start_new_session=True,  # the terminal's Ctrl-C comes to this process alone
            preexec_fn=_prepare_launcher,
        )
        try:
            code = _wait(process, stop, lifeline)
        finally:
            _kill(process)
        reported = lifeline.reported()
        ended = reported if reported is not None else int(code != 0)
        # asked to stop while it was ending anyway: whoever asked does not want the next thing begun
        return InterruptedRun.exit_code if stop and not ended else ended


def launch_environment(machines: Mapping[str, Any], inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the launcher and its ranks. What the user has set for the shared resources stays.

    `machines` is the accelerate configuration. On one machine the ranks meet on the loopback interface; for
    several, `offline.seal`'s choice of it is taken back and the interface is the user's, or the libraries', to
    choose. Without `ACCELERATE_USE_CPU`, several CPU processes would start and never join (accelerate 1.15).
    """
    processes, hosts = int(machines.get("num_processes", 1)), int(machines.get("num_machines", 1))
    defaults = {
        "OMP_NUM_THREADS": str(max(usable_cores() // max(processes // hosts, 1), 1)),
        "OMP_WAIT_POLICY": "PASSIVE",  # see `threads`
        # cuBLAS adds in a fixed order only with a workspace chosen before its first use
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    if hosts == 1:
        environment = {**defaults, **offline.LOOPBACK, **inherited}
    else:
        environment = {**defaults, **offline.without_loopback(inherited)}
    # torch's launcher would answer other signals by ending the ranks before they have saved; this one comes
    # when this process is gone (see `_prepare_launcher`), and gives ranks that hang in an exchange 30 s
    environment["PET_SIGNALS_TO_HANDLE"] = "SIGHUP"
    if machines.get("use_cpu"):
        environment["ACCELERATE_USE_CPU"] = "true"
    return environment


def _wait(process: subprocess.Popen[bytes], stop: StopRequest, lifeline: Lifeline) -> int:
    while True:
        try:
            return process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            if stop:
                lifeline.ask_to_stop()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a launcher that is still there; its ranks go with it (see `train.__main__`)."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _prepare_launcher() -> None:
    """In the launcher, before it runs: what it does about signals.

    Of those that ask to stop it would die and leave the ranks, which set their own handlers, without a parent.
    torch's launcher takes SIGHUP back, to end its ranks by it; accelerate's own, for one process, has no need to.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal_at_parents_end(signal.SIGHUP)


def read_launcher_config(path: Path) -> dict[str, Any]:
    """An accelerate configuration file. Raises InputError if it is none, or its numbers are no numbers."""
    try:
        value = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {' '.join(str(error).split())}", path=path) from None
    if not isinstance(value, dict) or "num_processes" not in value:
        raise InputError("is no accelerate configuration; it has no num_processes", path=path)
    for name in ("num_processes", "num_machines"):
        number = value.get(name, 1)
        if not isinstance(number, int) or number < 1:
            raise InputError(f"{name} is {number!r}; a whole number from 1 on is needed", path=path)
    return value
