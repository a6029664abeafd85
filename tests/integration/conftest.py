"""One engine of vLLM's in this process for all tests that need no other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.engines.start import start_engine
from nerkd_local.annotate.settings import VllmSettings
from tests.conftest import missing


@pytest.fixture(scope="package")
def settings(shared: Path) -> VllmSettings:
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    return VllmSettings(
        model=shared / "models" / "bench-annotator", max_model_len=510, cpu_kv_cache_gib=1, max_num_seqs=32
    )


@pytest.fixture(scope="package")
def engine(settings: VllmSettings) -> Iterator[Completer]:
    """Alive until the folder's last test: files that use it are called `test_vllm*`, the last ones by name."""
    completer = start_engine(settings)
    yield completer
    completer.close()
