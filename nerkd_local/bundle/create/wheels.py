"""Wheels as files: what one says of itself, and which of several the target's pip would take."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_version, parse_wheel_filename

from nerkd_local.bundle.create.lockfile import Pin
from nerkd_local.bundle.manifest import Target
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_file

_BLOCK = 4096
_LEGACY = {"2_17": "manylinux2014", "2_12": "manylinux2010", "2_5": "manylinux1"}


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the disk. `licence` is what its metadata says; None where it says nothing."""

    path: Path
    name: NormalizedName
    version: str
    sha256: str
    licence: str | None
    installed_bytes: int
    """What it takes on a disk when it is installed, with the bytecode that pip compiles: no less than it will be."""


def platforms(target: Target) -> list[str]:
    """Platform names of the wheels that run on the target, the newest glibc first."""
    major, minor = (int(part) for part in target.glibc.split("."))
    found = []
    for number in range(minor, 4, -1):
        found.append(f"manylinux_{major}_{number}_{target.arch}")
        legacy = _LEGACY.get(f"{major}_{number}")
        if legacy:
            found.append(f"{legacy}_{target.arch}")
    return [*found, f"linux_{target.arch}"]


def target_tags(target: Target) -> dict[Tag, int]:
    """The tags that the target's pip accepts, with the rank of each: the lowest is the best."""
    version = python_version(target)
    interpreter = f"cp{version[0]}{version[1]}"
    wanted = platforms(target)
    tags = [
        *cpython_tags(version, abis=[target.python], platforms=wanted),
        *compatible_tags(version, interpreter, wanted),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def python_version(target: Target) -> tuple[int, int]:
    """The Python version of an ABI tag: (3, 11) of `cp311`."""
    digits = re.fullmatch(r"cp(3)(\d+)", target.python)
    if digits is None:
        raise InputError(f"the target's python is {target.python!r}; an ABI tag such as cp311 is needed")
    return int(digits[1]), int(digits[2])


def find_wheels(pins: Iterable[Pin], folders: Sequence[Path], tags: Mapping[Tag, int]) -> dict[NormalizedName, Path]:
    """For each pin that has one in the folders: the wheel that suits the target best, its hash being in the lock.

    A file of the right name and another content is passed over, so a damaged download is fetched again.
    """
    wanted = {(pin.name, canonicalize_version(pin.version)): pin for pin in pins}
    ranked: dict[NormalizedName, list[tuple[int, str, Path]]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.whl")):
            try:
                name, version, _, offered = parse_wheel_filename(path.name)
            except InvalidWheelFilename:
                continue
            ranks = [tags[tag] for tag in offered if tag in tags]
            if ranks and (name, canonicalize_version(version)) in wanted:
                ranked.setdefault(name, []).append((min(ranks), path.name, path))
    by_name = {pin.name: pin for pin in wanted.values()}
    found = {}
    for name, candidates in ranked.items():
        for _, _, path in sorted(candidates):
            if digest_file(path) in by_name[name].hashes:
                found[name] = path
                break
    return found


def read_wheel(path: Path) -> Wheel:
    """What a wheel says of itself. Raises InputError if it is none."""
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            (metadata,) = (each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
            headers = HeaderParser().parsestr(archive.read(metadata).decode("utf-8", "replace"))
            sizes = {each.filename: each.file_size for each in archive.infolist()}
    except (InvalidWheelFilename, zipfile.BadZipFile, ValueError) as error:
        raise InputError(f"is no wheel: {' '.join(str(error).split())}", path=path) from None
    return Wheel(path, name, str(version), digest_file(path), _licence(headers), _installed(sizes))


def check_imports(modules: Iterable[str], wheels: Iterable[Wheel]) -> None:
    """Raise InputError for modules that neither a wheel nor Python has: the self-test could not pass anywhere."""
    there = set(sys.stdlib_module_names)
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            there |= {name.partition("/")[0].partition(".")[0] for name in archive.namelist()}
    missing = [module for module in modules if module.partition(".")[0] not in there]
    if missing:
        raise InputError(f"`imports` names {', '.join(missing)}, which no package of the lock brings along")


def _installed(sizes: Mapping[str, int]) -> int:
    """Disk blocks of these files, of their modules' bytecode (4/3 of the source over the CPU lock), and of folders."""
    bytecode = [size * 3 // 2 for file, size in sizes.items() if file.endswith(".py")]
    folders = {parent for file in sizes for parent in PurePosixPath(file).parents}
    return sum(-(-size // _BLOCK) * _BLOCK for size in (*sizes.values(), *bytecode)) + 2 * _BLOCK * len(folders)


def _licence(headers: Message) -> str | None:
    """The licence in the newest way to say it that the metadata uses; the whole text of a licence is none."""
    expression, text = (str(headers[name] or "").strip() for name in ("License-Expression", "License"))
    classified = [
        str(line).rpartition(" :: ")[2]
        for line in headers.get_all("Classifier", [])
        if str(line).startswith("License ::") and not str(line).endswith("OSI Approved")
    ]
    said = text if text.upper() != "UNKNOWN" and "\n" not in text and len(text) <= 100 else ""
    return expression or said or " AND ".join(classified) or None
