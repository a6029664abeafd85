"""Where the shipped settings and models lie: beside the source, or inside the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nerkd_local.errors import InputError

_PACKAGE = Path(__file__).parents[1]


def configs_folder(kind: Literal["annotators", "regimens", "selection", "experiments", "accelerate"]) -> Path:
    """The folder of that kind of settings. Raises InputError if the installation has lost it."""
    return _shipped("configs", kind)


def models_folder(name: Literal["demo-annotator", "demo-student"]) -> Path:
    """The folder of a shipped model. Raises InputError if the installation has lost it."""
    return _shipped("models", name)


def _shipped(folder: str, name: str) -> Path:
    for root in (_PACKAGE / f"_{folder}", _PACKAGE.parent / folder):
        if (root / name).is_dir():
            return root / name
    raise InputError(f"the shipped folder {folder}/{name} is not there; install the package again")
