"""One call that turns every known road to the network off.

The libraries read these switches when they are imported, so every entry point calls `seal` first, before
it imports anything but this package. Sources for each switch: the libraries' own code.
"""

from __future__ import annotations

import os
import sys

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

# Listeners on the loopback interface only. A cluster names its own interface, so these give way.
_ONE_MACHINE = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}


def seal() -> None:
    """Set the switches in this process, and so in every process it starts.

    Under a launcher that spans several machines the interface names are left alone: ranks there must reach
    each other. Raises RuntimeError (a bug) if huggingface_hub was imported, unsealed, before the call.
    """
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None and not getattr(hub, "HF_HUB_OFFLINE", False):
        raise RuntimeError("offline.seal() must come before the import of huggingface_hub")
    os.environ.update(_ALWAYS)
    if os.environ.get("LOCAL_WORLD_SIZE", "1") == os.environ.get("WORLD_SIZE", "1"):
        for name, value in _ONE_MACHINE.items():
            os.environ.setdefault(name, value)


def is_sealed() -> bool:
    """Whether every switch is set in this process's environment."""
    return all(os.environ.get(name) == value for name, value in _ALWAYS.items())
