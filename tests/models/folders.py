"""Model folders made on the spot: sound ones, and what strangers put into theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from nerkd_local.config.folders import models_folder


def copy_annotator(folder: Path) -> Path:
    """The demo's annotator, a sound folder of 4 MB, to be spoilt."""
    shutil.copytree(models_folder("demo-annotator"), folder)
    return folder


def copy_student(folder: Path) -> Path:
    """The demo's student, likewise."""
    shutil.copytree(models_folder("demo-student"), folder)
    return folder


def edit_json(path: Path, **values: Any) -> None:
    """Set keys in a JSON object's file; None takes one out."""
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def write_safetensors(path: Path, header: Any, data: bytes = b"") -> None:
    """A file with this header, whether it fits the data or not; bytes are taken as they are."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)
