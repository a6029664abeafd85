"""The regimens that have a name: one YAML file each."""

from __future__ import annotations

from pathlib import Path

from nerkd_local.errors import InputError
from nerkd_local.regimen.schedule import Regimen
from nerkd_local.settings import find_named, load_settings


def load_regimen(name_or_path: str, folder: Path) -> Regimen:
    """The regimen of that name from the folder; of that file, for a path that ends in .yaml.

    `name@W` is the same with its exposure matched to the mean distilled share W (see `exposure`), and bears that name.
    A file's regimen bears the file's name, so that one word means the same in a setting, a plan and a table.
    Raises InputError for an unknown name (with the nearest known one), for a W that is no share between 0 and 1, and
    with file and line for anything in the file that is no regimen.
    """
    base, share = _parted(name_or_path)
    path = find_named(base, folder)
    regimen = load_settings(Regimen, path)
    if regimen.name != path.stem:
        raise InputError(f"is named {regimen.name!r} inside; a regimen bears its file's name", path=path)
    if share is None:
        return regimen
    try:
        changes = {"name": regimen_label(name_or_path), "match_exposure": float(share)}
        return Regimen.model_validate({**regimen.model_dump(), **changes})
    except ValueError:
        raise InputError(
            f"regimen {name_or_path!r}: {share!r} is no mean share; a number between 0 and 1 stands after the @"
        ) from None


def regimen_label(name_or_path: str) -> str:
    """What folders, tables and figures call the regimen that `load_regimen` would load."""
    base, share = _parted(name_or_path)
    return Path(base).stem if share is None else f"{Path(base).stem}@{share}"


def _parted(name_or_path: str) -> tuple[str, str | None]:
    base, at, share = name_or_path.rpartition("@")
    return (base, share) if at and "/" not in share else (name_or_path, None)
