"""Small bundles in volumes of some bytes, the keys that sign them, and ways to sign what nobody should."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from nerkd_local.bundle.create.volumes import Header, Source, Written, write_bundle
from nerkd_local.bundle.manifest import MANIFEST, SIGNATURE, Manifest, Target
from nerkd_local.bundle.signature import sign

TARGET = Target(os="linux", arch="x86_64", glibc="2.28", python="cp311", accelerator="cpu")
FILES: Mapping[str, bytes] = {
    "configs/empty.yaml": b"",
    "data/dev.txt": b"Anna met Ben in Oslo.\n" * 3,
    "models/tiny/model.safetensors": bytes(range(256)) * 10,  # 2,560 bytes: three volumes
    "models/tiny/copy.safetensors": bytes(range(256)) * 10,
    "wheels/thing-1.0-py3-none-any.whl": b"a wheel",
}
MAX_VOLUME = 1000
BESIDE = {"START-HERE.txt": b"Read me first.\n", "nerkd-bundle.pyz": b"not run here"}


class Keys:
    """A pair of ed25519 keys in files, as openssl makes them."""

    def __init__(self, folder: Path, name: str = "sender") -> None:
        self.private, self.public = folder / f"{name}-private.pem", folder / f"{name}-public.pem"
        openssl("genpkey", "-algorithm", "ed25519", "-out", str(self.private))
        openssl("pkey", "-in", str(self.private), "-pubout", "-out", str(self.public))


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def make_bundle(
    output: Path,
    keys: Keys,
    files: Mapping[str, bytes] = FILES,
    *,
    sequence: int = 1,
    earlier: Manifest | None = None,
    kind: str = "toolkit",
) -> Written:
    """Write a bundle of these contents; with `earlier`, the delta."""
    kinds = {"wheels": "wheel", "models": "model", "data": "data", "configs": "config"}
    header = Header(
        kind=kind,  # type: ignore[arg-type]
        name="sample",
        sequence=sequence,
        created="2026-01-02T03:04:05Z",
        target=TARGET if kind == "toolkit" else None,
        text=None if kind == "toolkit" else "none",
    )
    sources = {
        path: Source(content, kinds.get(path.partition("/")[0], "document"))  # type: ignore[arg-type]
        for path, content in files.items()
    }
    return write_bundle(header, sources, output, keys.private, beside=BESIDE, earlier=earlier, max_volume=MAX_VOLUME)


def put_manifest(folder: Path, content: bytes, keys: Keys) -> None:
    """Replace a bundle's manifest, and sign whatever it is."""
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(sign(content, keys.private))


def copied(folder: Path, target: Path) -> Path:
    """A copy of a bundle to be spoilt."""
    shutil.copytree(folder, target, symlinks=True)
    return target


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def fails_to_open(monkeypatch: pytest.MonkeyPatch, *names: str, error: int = errno.EIO) -> None:
    """Let a medium with a fault be one that cannot open these files: their names as they stand in their folder."""
    before = os.open

    def faulty(path: str, *given: int, dir_fd: int | None = None) -> int:
        if dir_fd is not None and path in names:
            raise OSError(error, os.strerror(error), path)
        return before(path, *given, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", faulty)
