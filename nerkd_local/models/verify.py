"""Whether the models are still what was taken in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.errors import InputError, nearest
from nerkd_local.files import read_lines
from nerkd_local.models.manifest import MANIFEST, SUMS, Model, read_models
from nerkd_local.models.names import ModelFolder, shown


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found of one model. `problems`: a line each, empty where every byte is as it was."""

    name: str
    files: int
    size: int
    problems: tuple[str, ...]


def verify_models(models: Path, names: Sequence[str] = ()) -> list[Verified]:
    """Read every file of the models of these names (of all, where none is given), and compare it with the manifest.

    Raises InputError where there is no manifest, or it has no such name.
    """
    entries = _entries(models)
    unknown = [name for name in names if name not in entries]
    if unknown:
        raise InputError(f"has no model {unknown[0]!r}{nearest(unknown[0], entries)}", path=models / MANIFEST)
    sums = _read_sums(models)
    return [
        Verified(
            name, len(entries[name].files), entries[name].size, tuple(_problems(models, name, entries[name], sums))
        )
        for name in dict.fromkeys(names or entries)
    ]


def strangers(models: Path) -> list[str]:
    """Folders in `models` that no entry stands for."""
    entries = _entries(models)
    return sorted(
        path.name for path in models.iterdir() if path.is_dir() and path.name not in entries and path.name[0] != "."
    )


def _entries(models: Path) -> dict[str, Model]:
    if not (models / MANIFEST).is_file():
        raise InputError(f"holds no {MANIFEST}; `nerkd models add` takes models in", path=models)
    return read_models(models)


def _problems(models: Path, name: str, model: Model, sums: dict[str, str]) -> Iterator[str]:
    folder = models / name
    if not folder.is_dir():
        yield f"{name}: is not there"
        return
    there = set(ModelFolder.of(folder).names)
    for file in sorted(there - model.files.keys()):
        yield f"{name}/{shown(file)}: was not taken in, and is there"
    for file, expected in model.files.items():
        path = folder / file
        if file not in there:
            yield f"{name}/{file}: is not there"
        elif path.is_symlink() or not path.is_file():
            yield f"{name}/{file}: is no regular file any more"
        elif path.stat().st_size != expected.size:
            yield f"{name}/{file}: has {path.stat().st_size:,} bytes, not {expected.size:,}"
        elif _sha256(path) != expected.sha256:
            yield f"{name}/{file}: has other content than was taken in"
        if sums.get(f"{name}/{file}") != expected.sha256:
            yield f"{SUMS}: does not agree with {MANIFEST} on {name}/{file}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_sums(models: Path) -> dict[str, str]:
    path = models / SUMS
    if not path.is_file():
        return {}
    return {name: value for _, line in read_lines(path) for value, _, name in [line.partition("  ")]}
