"""The files of a bundle by their paths on the closed side.

wheels/*.whl  requirements.txt  models/NAME/*  data/NAME/*  configs/*  docs/*  sbom.cdx.json  selftest.json

models/manifest.json goes along for the models that were taken in (`nerkd models add`), so that `nerkd models verify`
works there too.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nerkd_local.bundle.create.sbom import Part, package_url
from nerkd_local.bundle.create.spec import BundleSettings, PartSettings
from nerkd_local.bundle.create.volumes import Source
from nerkd_local.bundle.create.wheelhouse import requirements
from nerkd_local.bundle.create.wheels import Wheel
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_file
from nerkd_local.models.check import check_cheaply
from nerkd_local.models.licence import find_licence
from nerkd_local.models.manifest import MANIFEST, SUMS, Model, find_model, write_models
from nerkd_local.models.names import ModelFolder
from nerkd_local.models.problems import refusals
from nerkd_local.models.verify import verify_models

REQUIREMENTS = "requirements.txt"
_PRIVATE_KEY = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n(Proc-Type:|[A-Za-z0-9+/=]{16})", re.MULTILINE)
_MAX_KEY = 1 << 16


@dataclass(frozen=True, slots=True)
class Given:
    """A model or a data set that goes in: its path there, its files here, and what is known of it.

    `taken_in` is a model's entry in the manifest beside it; None for one that has none.
    """

    kind: Literal["model", "data"]
    path: str
    folder: Path
    files: dict[str, Path]
    licence: str | None
    origin: str | None
    revision: str | None
    taken_in: Model | None = None

    def sources(self) -> dict[str, Source]:
        """Its files as they go in."""
        return {
            path: Source(file, self.kind, self.licence, self.origin, self.revision) for path, file in self.files.items()
        }

    def part(self) -> Part:
        """Its entry in the list of parts."""
        hashes = [(path.removeprefix(f"{self.path}/"), digest_file(file)) for path, file in sorted(self.files.items())]
        name = self.path.partition("/")[2]
        return Part(self.kind, name, self.path, hashes, self.licence, self.origin, self.revision)


def find_parts(settings: BundleSettings) -> list[Given]:
    """The models and data sets of the spec, looked over. Raises InputError that lists all that is wrong with them."""
    problems: list[str] = []
    parts = []
    for find, given in [(_model, each) for each in settings.models] + [(_data, each) for each in settings.data]:
        try:
            parts.append(find(given))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(["not everything in the spec can go into a bundle:", *problems]))
    return parts


def models_manifest(parts: Sequence[Given]) -> dict[str, Source]:
    """The manifest of those of the models that were taken in, as it stands in models/ on the closed side."""
    models = {part.path.partition("/")[2]: part.taken_in for part in parts if part.taken_in is not None}
    if not models:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        write_models(Path(scratch), models)
        return {f"models/{name}": Source((Path(scratch) / name).read_bytes(), "model") for name in (MANIFEST, SUMS)}


def _model(given: PartSettings) -> Given:
    """A model folder: as it was taken in, or, where it never was, one in which the cheap checks find nothing."""
    if not given.path.is_dir():
        raise InputError("no such folder; a model folder is needed", path=given.path)
    entry = find_model(given.path)
    folder = ModelFolder.of(given.path, entry.left_out if entry else ())
    if entry is None:
        problems = [f"{given.path}/{problem}" for problem in refusals(check_cheaply(folder))]
    else:
        whole = Path(os.path.abspath(given.path))
        (found,) = verify_models(whole.parent, [whole.name])
        problems = [f"{given.path}: {problem}" for problem in found.problems]
    if problems:
        raise InputError("\n".join(problems))
    path = f"models/{given.folder}"
    files = {f"{path}/{name}": given.path / name for name in folder.names}
    if entry is None:
        licence = given.licence or find_licence(given.path)
        return Given("model", path, given.path, files, licence, given.origin, given.revision)
    said = {name: getattr(given, name) or getattr(entry, name) for name in ("licence", "origin", "revision")}
    return Given("model", path, given.path, files, **said, taken_in=entry.model_copy(update=said))


def _data(given: PartSettings) -> Given:
    path = f"data/{given.folder}"
    return Given("data", path, given.path, dict(_files(given.path, path)), given.licence, given.origin, given.revision)


def find_plain(settings: BundleSettings) -> dict[str, Source]:
    """Configs and documents of the spec. Raises InputError for what is not there, and for two of one name."""
    found: dict[str, Source] = {}
    kinds: tuple[tuple[Literal["config", "document"], str, Sequence[Path]], ...] = (
        ("config", "configs", settings.configs),
        ("document", "docs", settings.documents),
    )
    for kind, folder, paths in kinds:
        for given in paths:
            for path, file in _files(given, f"{folder}/{given.absolute().name}"):
                if path in found:
                    raise InputError(f"would be {path} as another one is; rename one", path=file)
                found[path] = Source(file, kind)
    return found


def wheel_sources(wheels: Sequence[Wheel]) -> dict[str, Source]:
    """The wheelhouse, and the file by which pip installs it."""
    return {
        REQUIREMENTS: Source(requirements(wheels).encode("utf-8"), "lock"),
        **{
            f"wheels/{wheel.path.name}": Source(wheel.path, "wheel", wheel.licence, package_url(wheel).to_string())
            for wheel in wheels
        },
    }


def _files(given: Path, path: str) -> Iterator[tuple[str, Path]]:
    """A file, or all files below a folder but hidden ones, as (path there, file here).

    Links are refused: what they lead to is part of another folder, and may change without a trace here.
    """
    if given.is_file():
        _check_no_key(given)
        yield path, given
        return
    if not given.is_dir():
        raise InputError("no such file or folder; check the path in the spec", path=given)
    count = 0
    for entry in sorted(os.scandir(given), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        below = given / entry.name
        mode = below.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _files(below, f"{path}/{entry.name}")
        elif stat.S_ISREG(mode):
            _check_no_key(below)
            yield f"{path}/{entry.name}", below
        else:
            raise InputError("is a link or no regular file; a copy is needed: cp -rL FOLDER COPY", path=below)
        count += 1
    if not count:
        raise InputError("is an empty folder", path=given)


def _check_no_key(path: Path) -> None:
    """Raise InputError for a private key, which somebody put there by mistake."""
    if path.stat().st_size <= _MAX_KEY and _PRIVATE_KEY.search(path.read_bytes()):
        raise InputError("holds a private key, which must not leave this machine; take it out", path=path)
