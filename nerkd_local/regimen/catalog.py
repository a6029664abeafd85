"""The regimens that have a name: one YAML file each."""

from __future__ import annotations

from pathlib import Path

from nerkd_local.errors import InputError
from nerkd_local.regimen.schedule import Regimen
from nerkd_local.settings import find_named, load_settings


def load_regimen(name_or_path: str, folder: Path) -> Regimen:
    """The regimen of that name from the folder; of that file, for a path that ends in .yaml.

    A file's regimen bears the file's name, so that one word means the same in a setting, a plan and a table.
    Raises InputError for an unknown name (with the nearest known one), and with file and line for anything in
    the file that is no regimen.
    """
    path = find_named(name_or_path, folder)
    regimen = load_settings(Regimen, path)
    if regimen.name != path.stem:
        raise InputError(f"is named {regimen.name!r} inside; a regimen bears its file's name", path=path)
    return regimen
