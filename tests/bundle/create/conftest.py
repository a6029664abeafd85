from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nerkd_local.bundle.create import building, wheelhouse
from nerkd_local.bundle.create.building import Builder, Say
from tests.bundle.samples import Keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """pip looks into a folder, and nowhere else."""

    def use(folder: Path) -> None:
        settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}
        monkeypatch.setattr(building, "users_environment", lambda: {**os.environ, **settings})

    return use


@pytest.fixture
def this_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds happen in the environment of the tests: making one takes seconds, and has its own test."""

    def make(cache: Path, lock: Path, say: Say) -> Builder:
        return Builder(Path(sys.executable), cache / "built", say)

    monkeypatch.setattr(wheelhouse, "make_builder", make)
