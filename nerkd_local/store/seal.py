"""Sealed folders: what is finished has its hashes beside it, in `SHA256SUMS`, which is written last.

The format is that of `sha256sum -c`. Whoever changes a sealed folder breaks the seal first, so a seal that does not
fit means damage, and no seal means unfinished work.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nerkd_local.errors import InputError
from nerkd_local.files import atomic_binary_writer, read_lines, sync_folder, write_text
from nerkd_local.fingerprints import digest_file

SEAL = "SHA256SUMS"

_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\\]+)")


def seal_folder(folder: Path, names: Iterable[str]) -> None:
    """Write the hashes of those of the files that are there."""
    _write(folder, {name: digest_file(folder / name) for name in names if (folder / name).is_file()})


def read_seal(folder: Path) -> dict[str, str] | None:
    """The hash of each sealed file by its name; None if the folder is not sealed. Raises InputError for other lines."""
    path = folder / SEAL
    if not path.is_file():
        return None
    sums = {}
    for number, line in read_lines(path):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in (".", ".."):
            raise InputError("not a SHA-256 and the name of a file in this folder", path=path, line=number)
        sums[match[2]] = match[1]
    return sums


def is_sealed(path: Path) -> bool:
    """Whether the file stands in a seal beside it (whether it fits is another question)."""
    return path.name in (read_seal(path.parent) or {})


def break_seal(folder: Path) -> None:
    """Say that the folder's files are about to change."""
    if (folder / SEAL).exists():
        (folder / SEAL).unlink()
        sync_folder(folder)


@contextmanager
def add_to_seal(path: Path) -> Iterator[None]:
    """Around the writing of a file into a folder: if that is sealed, it is so again afterwards, with this file."""
    sums = read_seal(path.parent)
    break_seal(path.parent)
    yield
    if sums is not None:
        _write(path.parent, {**sums, path.name: digest_file(path)})


def seal_problems(folder: Path) -> list[InputError]:
    """Every file that is not what was sealed, as an error that says so. Reads all of them."""
    problems = []
    for name, expected in (read_seal(folder) or {}).items():
        if not (folder / name).is_file():
            problems.append(InputError(f"stands in {SEAL} and is not there", path=folder / name))
        elif digest_file(folder / name) != expected:
            problem = f"is not the file that was sealed (its SHA-256 is not that in {SEAL}): changed or damaged since"
            problems.append(InputError(problem, path=folder / name))
    return problems


def check_seal(folder: Path) -> None:
    """Raise InputError for the first file that is not what was sealed."""
    for problem in seal_problems(folder):
        raise problem


def copy_sealed(source: Path, target: Path) -> None:
    """Copy a sealed folder's files, and its seal when all of them are there.

    At any moment each file in the target is whole, the one before or the new one. Raises OSError.
    """
    sums = read_seal(source)
    assert sums is not None, f"{source} is not sealed"
    if read_seal(target) == sums and not seal_problems(target):
        return
    target.mkdir(parents=True, exist_ok=True)
    break_seal(target)
    for name, expected in sums.items():
        if not ((target / name).is_file() and digest_file(target / name) == expected):
            copy_file(source / name, target / name, expected)
    _write(target, sums)


def copy_file(source: Path, target: Path, expected: str) -> None:
    """Copy one file whose SHA-256 is known: it is on the disk, and read back, before it gets its name.

    Raises InputError where what was read back has another hash.
    """
    with source.open("rb") as reading, atomic_binary_writer(target) as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())
        os.posix_fadvise(writing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # what is read now comes from the disk
        writing.seek(0)
        if hashlib.file_digest(writing, "sha256").hexdigest() != expected:
            raise InputError(f"its copy in {target.parent} has another SHA-256; copy it again", path=source)


def _write(folder: Path, sums: dict[str, str]) -> None:
    write_text(folder / SEAL, "".join(f"{value}  {name}\n" for name, value in sorted(sums.items())))
