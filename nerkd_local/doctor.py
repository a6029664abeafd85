"""A look at the machine: is what the stages need here, and is the way to the network shut?"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nerkd_local import __version__, offline
from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.energy import describe_meters, find_meters
from nerkd_local.errors import InputError
from nerkd_local.files import local_model, read_json
from nerkd_local.machine import describe_cpu

_LIBRARIES = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "safetensors",
    "seqeval",
    "numpy",
    "matplotlib",
    "openai",
)


def examine(models: Sequence[Path] = ()) -> dict[str, Any]:
    """What was found, as plain JSON. `problems` lists what must be mended; it is empty where all is well."""
    problems: list[str] = []
    switches = "all set" if offline.is_sealed() else "not set"
    if not offline.is_sealed():
        problems.append("the offline switches are not set in this process")
    described = []
    for folder in models:
        try:
            described.append(_describe_model(folder))
        except InputError as error:
            problems.append(str(error))
    return {
        "nerkd-local": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "cpu": describe_cpu(),
        "vllm": vllm_version() or "not installed (annotating with a model needs it)",
        "libraries": [f"{name} {_version(name)}" for name in _LIBRARIES],
        "devices": _devices(),
        "energy": describe_meters(find_meters()),
        "offline": switches,
        "models": described,
        "problems": problems,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> list[str]:
    try:
        import torch
    except ImportError:
        return ["unknown: torch is not installed"]
    if not torch.cuda.is_available():
        return ["cpu only"]
    found = []
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        bfloat16 = "" if card.major >= 8 else ", no bfloat16"
        found.append(
            f"cuda:{number} {card.name}, {card.total_memory / 2**30:.0f} GiB, "
            f"compute capability {card.major}.{card.minor}{bfloat16}"
        )
    return found


def _describe_model(folder: Path) -> str:
    config = read_json(local_model(folder) / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError("holds no safetensors weights; other weight formats are not loaded", path=folder)
    size = sum(path.stat().st_size for path in weights)
    kind = ", ".join(config.get("architectures") or [config.get("model_type", "unknown architecture")])
    return f"{folder}: {kind}, {size / 2**20:.0f} MiB in {len(weights)} safetensors file(s)"
