"""Packages made on the spot: wheels, sources that build themselves, and locks that pin them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

_BACKEND = """\
import os, uuid, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "{file}"
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "unset")
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in {{
            "{name}/__init__.py": "built_at = " + epoch + {salt},
            "{name}-{version}.dist-info/METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
            "{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
            "{name}-{version}.dist-info/RECORD": "",
        }}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return name
"""
_PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    tags: str = "py3-none-any",
    *,
    metadata: str = "",
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """A wheel with these headers in its metadata; the same each time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tags}.whl"
    info = f"{name}-{version}.dist-info"
    python, abi, platforms = tags.split("-")
    tag_lines = "".join(f"Tag: {python}-{abi}-{platform}\n" for platform in platforms.split("."))
    members = {
        f"{name}/__init__.py": f"tags = {tags!r}\n".encode(),
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n{tag_lines}".encode(),
    }
    record = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in {**members, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(member), content)
    return path


def project(folder: Path, name: str, version: str = "1.0", *, tag: str = "py3-none-any", salt: str = "''") -> Path:
    """A project that builds itself with nothing but Python; `salt` is an expression whose text goes into the wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(_PROJECT)
    backend = _BACKEND.format(file=f"{name}-{version}-{tag}.whl", name=name, version=version, salt=salt)
    (folder / "backend.py").write_text(backend)
    return folder


def source_archive(folder: Path, name: str, version: str = "1.0", *, salt: str = "''") -> Path:
    """The project as it is published where there is no wheel."""
    made = project(folder / "tree", name, version, salt=salt)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(made.iterdir()):
            content = file.read_bytes()
            entry = tarfile.TarInfo(f"{name}-{version}/{file.name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        info = b"Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name.encode(), version.encode())
        entry = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        entry.size = len(info)
        archive.addfile(entry, io.BytesIO(info))
    return path


def lock(path: Path, *pinned: Path) -> Path:
    """A lock that pins these files, those of one package together."""
    hashes: dict[str, list[str]] = {}
    for file in pinned:
        stem = file.name.removesuffix(".tar.gz")
        name, version = stem.split("-")[:2]
        hashes.setdefault(f"{name}=={version}", []).append(hashlib.sha256(file.read_bytes()).hexdigest())
    lines = ["# a lock\n"]
    for requirement, found in hashes.items():
        lines.append(" \\\n".join([requirement, *(f"    --hash=sha256:{each}" for each in sorted(found))]))
        lines.append("\n    # via a test\n")
    path.write_text("".join(lines))
    return path
