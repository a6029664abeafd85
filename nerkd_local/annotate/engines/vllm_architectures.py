"""Whether the installed vLLM would serve a model, asked without loading its weights.

vLLM reads the folder's config as it does when an engine starts, with the same arguments, in a process of its own: the
import takes seconds and a good part of a GB, and leaves its mark on a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerkd_local import offline
from nerkd_local.annotate.engines.devices import Devices
from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.annotate.engines.vllm_arguments import engine_arguments
from nerkd_local.annotate.settings import VllmSettings


@dataclass(frozen=True, slots=True)
class VllmAnswer:
    """Whether vLLM serves a model (None: it could not be asked), and why not, or as what."""

    serves: bool | None
    told: str


def ask_vllm(folder: Path, *, timeout_s: float) -> VllmAnswer:
    """Whether the vLLM of this environment has the model's architecture and takes its config. Loads no weights."""
    if vllm_version() is None:
        return VllmAnswer(None, "it is not installed here")
    command = [sys.executable, "-m", __name__, str(folder.absolute())]
    environment = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return VllmAnswer(None, f"it did not answer within {timeout_s:.0f} s")
    try:
        return VllmAnswer(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        said = [line.strip() for line in done.stderr.decode("utf-8", "replace").split("\n") if line.strip()]
        return VllmAnswer(None, f"it ended with exit status {done.returncode}{f': {said[-1][:300]}' if said else ''}")


def _ask(folder: Path) -> VllmAnswer:
    try:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.platforms import current_platform
    except ImportError as error:
        return VllmAnswer(None, f"it cannot be imported ({error})")
    arguments = engine_arguments(VllmSettings(model=folder), folder, Devices(on_cpu=current_platform.is_cpu()))
    try:
        config: Any = EngineArgs(**arguments).create_model_config()
    except (ValueError, OSError, KeyError) as error:
        return VllmAnswer(False, _reason(error))
    except Exception as error:  # of the machine, such as a vLLM for GPUs where there is none: no word on the model
        return VllmAnswer(None, f"{type(error).__name__}: {_reason(error)}")
    if config.runner_type != "generate":
        return VllmAnswer(False, f"{config.architecture} writes no text (for vLLM it is a {config.runner_type} model)")
    kind = f"{config.architecture}, {str(config.dtype).removeprefix('torch.')}, {config.max_model_len:,} tokens"
    return VllmAnswer(True, kind)


def _reason(error: Exception) -> str:
    """The line that says it: pydantic's errors begin with a count."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    if len(lines) > 1 and "validation error" in lines[0]:
        lines = lines[1:]
    return lines[0][:400] if lines else type(error).__name__


if __name__ == "__main__":
    offline.seal()
    answer = _ask(Path(sys.argv[1]))
    print(json.dumps({"serves": answer.serves, "told": answer.told}))
