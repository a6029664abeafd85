"""vLLM's own processes end with the process that started the engine, however that one ends.

A killed run would otherwise leave its engine behind (seen with vLLM 0.32 after SIGKILL), holding the GPU memory
that the same command needs again. vLLM calls the functions registered as `vllm.general_plugins` (see
pyproject.toml) in each of its processes as they start; that is the one place where code of ours runs there.
"""

from __future__ import annotations

import os
import signal

from nerkd_local.stopping import signal_at_parents_end

ENGINE_OWNER = "NERKD_ENGINE_OWNER"
"""The environment variable that holds the process id of an engine's owner while the engine lives."""


def end_with_owner() -> None:
    """In a process that an engine of ours started: be killed when the process that started it is gone.

    Does nothing in the owner itself and in engines that others start.
    """
    owner = os.environ.get(ENGINE_OWNER)
    if owner is None or int(owner) == os.getpid():
        return
    signal_at_parents_end(signal.SIGKILL)
    if os.getppid() == 1 != int(owner):  # gone already, before the request was made
        os.kill(os.getpid(), signal.SIGKILL)
