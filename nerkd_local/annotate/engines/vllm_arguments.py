"""What vLLM is told of a model, the same in this process and as a server: so their answers are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nerkd_local.annotate.engines.devices import Devices
from nerkd_local.annotate.settings import CONSTRAINT_BACKEND, ModelSettings


def engine_arguments(settings: ModelSettings, model: Path, devices: Devices) -> dict[str, Any]:
    """Arguments of `vllm.LLM`, by name; of what is not among them vLLM has its own choice."""
    optional: dict[str, Any] = {
        "quantization": settings.quantization,
        "max_num_seqs": settings.max_num_seqs,
        "max_model_len": settings.max_model_len,
    }
    return {
        "model": str(model.resolve()),
        "trust_remote_code": False,
        "load_format": "safetensors",
        # Mistral's folders hold a second set of config, weights and tokenizer beside this one, which vLLM
        # would prefer piece by piece; newer ones have no tokenizer but that
        "config_format": "hf",
        "tokenizer_mode": "hf" if (model / "tokenizer.json").is_file() else "auto",
        # many models of these families read images too: that part of them is left unloaded
        "language_model_only": True,
        "dtype": settings.dtype,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "enforce_eager": devices.on_cpu if settings.enforce_eager is None else settings.enforce_eager,
        "seed": settings.seed,
        "structured_outputs_config": {"backend": CONSTRAINT_BACKEND},
        "disable_log_stats": True,
        **{name: value for name, value in optional.items() if value is not None},
    }


def as_flags(arguments: dict[str, Any]) -> list[str]:
    """The same arguments as vLLM's command line has them: `max_model_len=8` becomes `--max-model-len=8`."""
    flags = []
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags.append(f"--{flag}={json.dumps(value) if isinstance(value, dict) else value}")
    return flags
