"""How a student reads texts: the window sizes it was trained with, kept beside its weights in `nerkd.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from nerkd_local.files import write_json
from nerkd_local.settings import Settings, load_settings

_FILE = "nerkd.json"


class Windows(Settings):
    """Sub-tokens a window, the special ones included, and how many neighbours share (see `encode`)."""

    max_tokens: Annotated[int, Field(ge=1)]
    stride: Annotated[int, Field(ge=0)]


def usual_windows(positions: int | None) -> Windows:
    """256 and 64, or what an encoder with fewer positions can read with the same share of overlap."""
    max_tokens = min(256, positions or 256)
    return Windows(max_tokens=max_tokens, stride=max_tokens // 4)


def save_windows(windows: Windows, folder: Path) -> None:
    """Write them into a student's folder."""
    write_json(folder / _FILE, windows.model_dump())


def load_windows(folder: Path) -> Windows | None:
    """Those of a student's folder; None if it has none. Raises InputError for a file that holds something else."""
    path = folder / _FILE
    return load_settings(Windows, path) if path.exists() else None
