"""One call that turns every known road to the network off.

The libraries read these switches when they are imported, so every entry point calls `seal` first, before
it imports anything but this package. Sources for each switch: the libraries' own code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_ALWAYS = {
    # vLLM: usage statistics thread; the address probe that aims a socket at a public host
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    # Hugging Face libraries
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    # trackers and traces of libraries that come along with vLLM
    "OTEL_SDK_DISABLED": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "disabled",
    # installers that a library might call
    "PIP_NO_INDEX": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_OFFLINE": "1",
}

LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
"""Listeners on the loopback interface only, for processes of one machine. A user's own choice goes before it."""

# Names which of those `seal` set, in this process or one that started it, so that they can be told from a user's.
_CHOSEN = "NERKD_LOOPBACK"


def seal() -> None:
    """Set the switches in this process, and so in every process it starts.

    Interface names that the environment does not hold become the loopback interface, except in a rank of a run
    that spans several machines. (A process that starts such a run is no rank of it: it passes on
    `without_loopback`.) Raises RuntimeError (a bug) if huggingface_hub was imported, unsealed, before the call.
    """
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None and not getattr(hub, "HF_HUB_OFFLINE", False):
        raise RuntimeError("offline.seal() must come before the import of huggingface_hub")
    os.environ.update(_ALWAYS)
    if os.environ.get("LOCAL_WORLD_SIZE", "1") == os.environ.get("WORLD_SIZE", "1"):
        chosen = [name for name in LOOPBACK if name not in os.environ]
        os.environ.update({name: LOOPBACK[name] for name in chosen})
        if chosen:
            os.environ[_CHOSEN] = " ".join(sorted({*os.environ.get(_CHOSEN, "").split(), *chosen}))


def without_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for ranks on several machines: without the interface names that `seal` put into it.

    What the user has set stays, be it the loopback interface.
    """
    chosen = environment.get(_CHOSEN, "").split()
    return {
        name: value
        for name, value in environment.items()
        if name != _CHOSEN and not (name in chosen and value == LOOPBACK.get(name))
    }


def is_sealed() -> bool:
    """Whether every switch is set in this process's environment."""
    return all(os.environ.get(name) == value for name, value in _ALWAYS.items())
