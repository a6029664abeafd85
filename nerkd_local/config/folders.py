"""Where the shipped settings lie: beside the source, or inside the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nerkd_local.errors import InputError


def configs_folder(kind: Literal["annotators", "regimens", "experiments", "accelerate"]) -> Path:
    """The folder of that kind of settings. Raises InputError if the installation has lost it."""
    package = Path(__file__).parents[1]
    for root in (package / "_configs", package.parent / "configs"):
        if (root / kind).is_dir():
            return root / kind
    raise InputError(f"the shipped configs/{kind} folder is not there; install the package again")
