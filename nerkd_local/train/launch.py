"""Starting a run through `accelerate launch` (see `launcher`), and stopping it without losing a step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nerkd_local import offline
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.files import read_text
from nerkd_local.machine import usable_cores
from nerkd_local.settings import load_settings
from nerkd_local.stopping import STOP_SIGNALS, listen_for_stop, signal_at_parents_end
from nerkd_local.train.lifeline import Lifeline
from nerkd_local.train.machines import check_machines
from nerkd_local.train.settings import TrainSettings


def launch(config: Path, accelerate_config: Path, overrides: Sequence[str] = ()) -> int:
    """Train as `config` says on the processes that `accelerate_config` describes; returns the exit code.

    0 done, 1 a bug (with its traceback on stderr), otherwise that of the error a rank reported there. Ctrl-C,
    SIGTERM, SIGUSR1 and SIGHUP are passed on to the ranks, which finish their step, save and end with 3; a
    second Ctrl-C kills them. If this process is killed, the ranks miss it and do the same. Main thread only.
    Raises InputError if either file is unusable, before starting anything.
    """
    load_settings(TrainSettings, config, overrides)
    (code,) = launch_modules([Launch(("nerkd_local.train", str(config), *overrides))], accelerate_config)
    return code


@dataclass(frozen=True, slots=True)
class Launch:
    """One call of the launcher: a module with its arguments, what is laid over the environment, and where its output
    goes (None: where this process's goes). The module goes through `rank.run_rank`."""

    module: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None


def launch_modules(
    launches: Sequence[Launch], accelerate_config: Path, *, watch: Callable[[], None] = lambda: None
) -> list[int]:
    """Run several launchers side by side to their end; their exit codes, as `launch` has them.

    `watch` is called a few times a second. What asks this process to stop is passed on to all. Main thread only.
    Raises InputError for an unusable launcher configuration, or one of machines that the network profile lacks.
    """
    machines = read_launcher_config(accelerate_config)
    check_machines(machines.get("num_machines", 1), machines.get("main_process_ip"), offline.network())
    launcher = [sys.executable, "-m", "nerkd_local.train.launcher", "--config_file", str(accelerate_config), "-m"]
    with ExitStack() as stack:
        stop = stack.enter_context(listen_for_stop())
        running = []
        for each in launches:
            lifeline = Lifeline.offer(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nerkd-"))))
            log = None if each.log is None else stack.enter_context(each.log.open("ab"))
            environment = launch_environment(machines, {**os.environ, **each.environment})
            process = subprocess.Popen(
                [*launcher, *each.module],
                env={**environment, **lifeline.environment()},
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C comes to this process alone
                preexec_fn=_prepare_launcher,
            )
            stack.callback(_kill, process)
            running.append((process, lifeline))
        while any(process.poll() is None for process, _ in running):
            watch()
            if stop:
                for _, lifeline in running:
                    lifeline.ask_to_stop()
            for process, _ in running:
                if process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=_POLL_S)
                    break
        codes = []
        for process, lifeline in running:
            reported = lifeline.reported()
            ended = reported if reported is not None else int(process.wait() != 0)
            # asked to stop while it was ending anyway: whoever asked does not want the next thing begun
            codes.append(InterruptedRun.exit_code if stop and not ended else ended)
        return codes


_POLL_S = 0.2


def launch_environment(machines: Mapping[str, Any], inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the launcher and its ranks. What the user has set for the shared resources stays.

    `machines` is the accelerate configuration. Without `ACCELERATE_USE_CPU`, several CPU processes would start and
    never join (accelerate 1.15).
    """
    processes, hosts = int(machines.get("num_processes", 1)), int(machines.get("num_machines", 1))
    defaults = {
        "OMP_NUM_THREADS": str(max(usable_cores() // max(processes // hosts, 1), 1)),
        # cuBLAS adds in a fixed order only with a workspace chosen before its first use
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    environment = {**defaults, **inherited}
    # torch's launcher would answer other signals by ending the ranks before they have saved; this one comes
    # when this process is gone (see `_prepare_launcher`), and gives ranks that hang in an exchange 30 s
    environment["PET_SIGNALS_TO_HANDLE"] = "SIGHUP"
    if machines.get("use_cpu"):
        environment["ACCELERATE_USE_CPU"] = "true"
    return environment


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a launcher that is still there; its ranks go with it (see `rank`)."""
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
