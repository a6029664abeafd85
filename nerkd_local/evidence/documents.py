"""Which document each evaluation sentence is of, as numbers: all of the corpus that intervals need, and no text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.errors import InputError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.intervals import documents_of
from nerkd_local.experiment.lines import evaluation_files
from nerkd_local.files import write_bytes

_FORMAT = "nerkd documents 1"


def document_numbers(settings: ExperimentSettings, folder: RunFolder, size: int) -> npt.NDArray[np.int64]:
    """The document of each sentence that a size's lines are scored on, as a number. Shape: (sentences,).

    From the corpus; in a folder that was kept without it (see `keep`), from `documents.npz`. Raises InputError where
    neither is there, and for a file that is damaged.
    """
    files = evaluation_files(settings, folder, size)
    if all(file.exists() for file in files):
        return documents_of(files)
    kept = documents_file(folder)
    if not kept.exists():
        raise InputError(
            "holds neither the corpus nor documents.npz, and without the sentences' documents there are no intervals; "
            "copy the results into the run's own folder, or keep them again with scripts/studies/keep_results.py",
            path=folder.root,
        )
    numbers = _read(kept, kept.stat().st_mtime_ns).get(_key(settings, size))
    if numbers is None:
        raise InputError(f"holds no documents for {size:,} original sentences; keep the results again", path=kept)
    return numbers


def documents_file(folder: RunFolder) -> Path:
    """Where a kept folder has them."""
    return folder.root / "documents.npz"


def write_document_numbers(settings: ExperimentSettings, folder: RunFolder, path: Path) -> None:
    """Write those of every size to `path`. Raises InputError as `document_numbers` does."""
    arrays = {"format": np.array(_FORMAT)}
    for size in settings.original.sizes:
        numbers = document_numbers(settings, folder, size)
        arrays[_key(settings, size)] = numbers.astype(np.uint16 if numbers.max(initial=0) < 1 << 16 else np.uint32)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_bytes(path, packed.getvalue())


def _key(settings: ExperimentSettings, size: int) -> str:
    """One evaluation corpus serves all sizes; with folds each size is scored on its own sentences."""
    return "evaluation" if settings.folds is None else f"n{size}"


@lru_cache(maxsize=16)
def _read(path: Path, changed_ns: int) -> Mapping[str, npt.NDArray[np.int64]]:
    try:
        # opened here: numpy leaves a file open that is no whole archive
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if str(found.pop("format", "")) != _FORMAT or any(numbers.ndim != 1 for numbers in found.values()):
            raise ValueError(f"not in the format {_FORMAT!r}")
        return {name: numbers.astype(np.int64) for name, numbers in found.items()}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot be read ({error}); copy it again", path=path) from None
