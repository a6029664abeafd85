"""One call that turns every known road to the network off.

The libraries read these switches when they are imported, so every entry point calls `seal` first, before
it imports anything but this package. Sources for each switch: the libraries' own code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nerkd_local.errors import InputError
from nerkd_local.offline import guard
from nerkd_local.offline.profile import NETWORK, Profile, read_profile

_ALWAYS = {
    # vLLM: usage statistics thread; the address probe that aims a socket at a public host (an engine is always of one
    # machine, so the address is this in a cluster too); another hub
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_USE_MODELSCOPE": "0",
    # Hugging Face libraries
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    # FlashInfer's ready kernels: where it would fetch what is not installed, nobody listens
    "FLASHINFER_CUBINS_REPOSITORY": "http://127.0.0.1:9/",
    # trackers and traces of libraries that come along with vLLM
    "OTEL_SDK_DISABLED": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "disabled",
    # a proxy that the environment names would be reached on an allowed address, and reach anything from there
    "NO_PROXY": "*",
    "no_proxy": "*",
    # installers that a library might call
    "PIP_NO_INDEX": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_OFFLINE": "1",
}

_VOCABULARIES = {"TIKTOKEN_CACHE_DIR", "TIKTOKEN_ENCODINGS_BASE"}
"""Folders of vocabularies that tiktoken and gpt-oss's format would fetch otherwise. A user's own folder stays; else it
is one beside this Python's libraries, where whoever has them puts them."""

_before: dict[str, str | None] = {}
"""What the switches were in this process before it was sealed."""


def seal(network: str | None = None) -> Profile:
    """Set the switches in this process, and so in every process it starts, and refuse what leaves the network profile
    (`guard`); returns the profile.

    `network` is the profile as text (see `profile`); where it is not given, NERKD_NETWORK, else `local`. The profile
    decides the interface of gloo and NCCL; their other settings stay the user's. Twice is once, with the same profile:
    a process keeps the one that it was sealed with (RuntimeError).

    Raises InputError for a text that is no profile, and a vocabulary folder that is an address; RuntimeError (a bug)
    if huggingface_hub was imported, unsealed, before the call.
    """
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None and not getattr(hub, "HF_HUB_OFFLINE", False):
        raise RuntimeError("offline.seal() must come before the import of huggingface_hub")
    profile = read_profile(network or os.environ.get(NETWORK) or "local")
    guard.install(profile)
    chosen = {**_ALWAYS, **_of_profile(profile), **_vocabularies(os.environ)}
    for name in chosen:
        _before.setdefault(name, os.environ.get(name))
    os.environ.update(chosen)
    return profile


def is_sealed() -> bool:
    """Whether every switch is set in this process's environment, and the guard is there."""
    profile = guard.active()
    if profile is None:
        return False
    wanted = {**_ALWAYS, **_of_profile(profile)}
    return all(os.environ.get(name) == value for name, value in wanted.items())


def network() -> Profile:
    """The profile of this process: the one it was sealed with, else what its environment says. Raises InputError."""
    return guard.active() or read_profile(os.environ.get(NETWORK) or "local")


def users_environment() -> dict[str, str]:
    """This process's environment as the user gave it: for the one program that is to use the network, and for one that
    is to seal itself. The profile stays, and what another program set before this one only where it is no switch.
    """
    switches = {**_ALWAYS, **_of_profile(network()), **_vocabularies({})}
    del switches[NETWORK]
    environment = {name: value for name, value in os.environ.items() if switches.get(name) != value}
    return environment | {
        name: value for name, value in _before.items() if value is not None and value != switches.get(name, value)
    }


def _of_profile(profile: Profile) -> dict[str, str]:
    # NCCL takes a name for the beginning of one (eth1 for eth1.100 too), unless it is told that it is all of it
    chosen = {
        NETWORK: str(profile),
        "GLOO_SOCKET_IFNAME": profile.interface,
        "NCCL_SOCKET_IFNAME": f"={profile.interface}",
    }
    if not profile.names:
        # the C library asks no resolver, whoever calls it: torch's store looks up who has connected to it, and the
        # hosts file does not know ::ffff:127.0.0.1 (12 packets a run on two processes, 40 s where nobody answers). The
        # hosts file is read as ever. Peers that are given by name may need the resolver: there it stays
        chosen["RES_OPTIONS"] = "attempts:0"
    return chosen


def _vocabularies(environment: Mapping[str, str]) -> dict[str, str]:
    folder = str(Path(sys.prefix) / "share" / "tiktoken")
    chosen = {name: environment.get(name) or folder for name in _VOCABULARIES}
    for name, value in chosen.items():
        if "://" in value:
            raise InputError(f"{name} is the address {value!r}; name a folder on this machine")
    return chosen
