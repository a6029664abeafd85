"""`models/manifest.json`: which models were taken in, what each is, and the hash of every file of theirs.

Beside it stands `SHA256SUMS` with the same hashes, for `sha256sum -c` on a machine that has nothing else. One function
writes both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nerkd_local.errors import InputError
from nerkd_local.files import write_json, write_text
from nerkd_local.fingerprints import digest_hashes
from nerkd_local.models.problems import Role
from nerkd_local.settings import Settings, load_json_settings

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = {MANIFEST.casefold(), SUMS.casefold(), "readme.md"}


def model_name(name: str) -> str:
    """The name itself, if a folder in models/ may have it. Raises ValueError."""
    if not _NAME.fullmatch(name) or name.casefold() in _RESERVED or name.endswith("."):
        raise ValueError(f"{name!r} cannot name a model; letters, digits, dots, dashes and underscores can")
    return name


def _file_name(name: str) -> str:
    if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name or "\n" in name:
        raise ValueError(f"{name!r} is no path below a model's folder")
    return name


class ModelFile(Settings):
    """One file of a model."""

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Model(Settings):
    """A model that was taken in. What is not known is None.

    `sha256` is `fingerprints.digest_folder`, the hash that runs record. `left_out` are patterns of what its maker ships
    and nothing here reads. `checked_with` has the versions of the libraries that it was tried with; None for one that
    was not there.
    """

    role: Role
    model_type: str
    architectures: tuple[str, ...]
    licence: str | None
    origin: str | None
    revision: str | None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    left_out: tuple[str, ...] = ()
    checked_with: Mapping[str, str | None]
    files: Mapping[Annotated[str, AfterValidator(_file_name)], ModelFile]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files.values())


class ModelsManifest(Settings):
    """All models of a folder, by the names of their folders."""

    nerkd_models: Literal[1] = 1
    models: Mapping[Annotated[str, AfterValidator(model_name)], Model] = {}


def read_models(models: Path) -> dict[str, Model]:
    """The models that were taken into a folder, by name; none where nothing was. Raises InputError for a manifest that
    cannot be read, or whose hashes of models are not those of their files.
    """
    path = models / MANIFEST
    if not path.is_file():
        return {}
    found = dict(load_json_settings(ModelsManifest, path).models)
    for name, model in found.items():
        if model.sha256 != digest_hashes({file: model.files[file].sha256 for file in sorted(model.files)}):
            raise InputError(f"the hash of {name} is not that of its files; take it in again", path=path)
    return found


def write_models(folder: Path, models: Mapping[str, Model]) -> None:
    """Write the manifest and the sums, models and files in the order of their names."""
    ordered = {name: _ordered(models[name]) for name in sorted(models)}
    lines = [f"{file.sha256}  {name}/{path}\n" for name, model in ordered.items() for path, file in model.files.items()]
    write_json(folder / MANIFEST, ModelsManifest(models=ordered).model_dump(mode="json"))
    write_text(folder / SUMS, "".join(lines))


def find_model(folder: Path) -> Model | None:
    """What the manifest beside a model's folder says of it; None where it was never taken in.

    Whether the folder still is what was taken in is another question (`verify_models`).
    """
    whole = Path(os.path.abspath(folder))
    return read_models(whole.parent).get(whole.name)


def _ordered(model: Model) -> Model:
    return model.model_copy(update={"files": {name: model.files[name] for name in sorted(model.files)}})
