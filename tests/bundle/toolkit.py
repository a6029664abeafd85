"""Fake bundles of a toolkit: signed and whole, but with a toolkit of a few lines and a pip of a few more.

The fake toolkit has the real self-test in it. The fake pip unpacks the wheels that its requirements name by hash, and
nothing else: an installation takes a second, and goes the way of a real one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nerkd_local.bundle import selftest
from nerkd_local.bundle.create.volumes import Header, Source, write_bundle
from nerkd_local.bundle.manifest import Manifest, Target
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.system import examine, this_python

NAME = "toolkit"
MAX_VOLUME = 2_000  # the fake files are in one to six volumes
CREATED = "2026-01-02T03:04:05Z"

_FAKE_PIP = """\
import hashlib, os, pathlib, re, sys, sysconfig, zipfile

arguments = sys.argv[1:]
assert arguments[0] == "install" and {"--no-index", "--require-hashes", "--no-deps"} <= set(arguments), arguments
assert sys.flags.isolated and os.environ["PIP_CONFIG_FILE"] == os.devnull and os.environ["PIP_NO_INDEX"] == "1"
assert "PIP_INDEX_URL" not in os.environ and "PYTHONPATH" not in os.environ, sorted(os.environ)
assert os.access(os.environ["TMPDIR"], os.W_OK)
wheels = pathlib.Path(arguments[arguments.index("--find-links") + 1])
lines = pathlib.Path(arguments[arguments.index("--requirement") + 1]).read_text().splitlines()
for line in lines:
    (wanted,) = re.findall("--hash=sha256:([0-9a-f]+)", line)
    found = [path for path in wheels.iterdir() if hashlib.sha256(path.read_bytes()).hexdigest() == wanted]
    if not found:
        sys.exit(f"ERROR: no wheel has the hash of {line}")
    zipfile.ZipFile(found[0]).extractall(sysconfig.get_path("purelib"))
"""


def make_key(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A private and a public key."""
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private, public


def make_wheel(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """A wheel of pure Python, byte by byte the same each time."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for path, content in files.items()
    ]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, written in {**files, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,"]).encode()}.items():
            archive.writestr(zipfile.ZipInfo(path), written)
    return content.getvalue()


def fake_toolkit(version: str) -> bytes:
    """A wheel `fake-toolkit` that has nothing of the toolkit but its name, its version, and the self-test."""
    return make_wheel(
        "fake_toolkit",
        version,
        {
            "nerkd_local/__init__.py": f"__version__ = {version!r}\n".encode(),
            "nerkd_local/offline.py": b"def seal():\n    pass\n",
            "nerkd_local/bundle/__init__.py": b"",
            "nerkd_local/bundle/selftest.py": Path(selftest.__file__).read_bytes(),
        },
    )


def fake_pip() -> bytes:
    """A wheel `pip` with the fake pip."""
    return make_wheel("pip", "0.0", {"pip/__init__.py": b"", "pip/__main__.py": _FAKE_PIP.encode()})


def contents(sequence: int, *, pip: bytes | None = None, vectors: Mapping[str, Any] | None = None) -> dict[str, Source]:
    """The files of a fake bundle: two wheels, and data, some of it with the sequence in it."""
    wheels = {
        f"wheels/fake_toolkit-0.{sequence}-py3-none-any.whl": fake_toolkit(f"0.{sequence}"),
        "wheels/pip-0.0-py3-none-any.whl": fake_pip() if pip is None else pip,
    }
    lines = [
        f"{name}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
        for (name, version), content in zip(
            [("fake-toolkit", f"0.{sequence}"), ("pip", "0.0")], wheels.values(), strict=True
        )
    ]
    passing = {"packages": {"fake-toolkit": f"0.{sequence}"}, "imports": ["nerkd_local"]}
    files: dict[str, Source] = {
        "requirements.txt": Source("".join(lines).encode(), "lock"),
        "selftest.json": Source(json.dumps(passing if vectors is None else vectors).encode(), "vectors"),
        "data/same.txt": Source(b"the same in every bundle\n" * 20, "data", licence="CC0-1.0"),
        "data/again/same.txt": Source(b"the same in every bundle\n" * 20, "data"),
        "data/other.txt": Source(f"bundle {sequence}\n".encode() * 500, "data"),
        "data/empty": Source(b"", "data"),
    }
    return files | {path: Source(content, "wheel") for path, content in wheels.items()}


def this_target(**changes: str) -> Target:
    """The system that the tests run on, as a target for the CPU."""
    system = examine(this_python())
    assert system.glibc is not None
    here: dict[str, Any] = {"os": system.os, "arch": system.arch, "glibc": system.glibc, "python": system.python}
    return Target(**{**here, "accelerator": "cpu", **changes})


def make_bundle(
    folder: Path,
    key: Path,
    sequence: int,
    *,
    name: str = NAME,
    target: Target | None = None,
    installed_bytes: int | None = None,
    earlier: Manifest | None = None,
    files: Mapping[str, Source] | None = None,
    max_volume: int = MAX_VOLUME,
) -> Manifest:
    """Write a bundle of a fake toolkit into the folder; its manifest."""
    header = Header("toolkit", name, sequence, CREATED, target or this_target(), installed_bytes=installed_bytes)
    sources = contents(sequence) if files is None else files
    return write_bundle(header, sources, folder, key, earlier=earlier, max_volume=max_volume).manifest


def active_version_runs(root: Root) -> str:
    """What the active version's own Python says that the version of the toolkit is."""
    command = [
        root.current / "env" / "bin" / "python",
        "-I",
        "-c",
        "import nerkd_local; print(nerkd_local.__version__)",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def tree(folder: Path) -> dict[str, bytes]:
    """What is in a version's folder, by path: contents, links' targets, modes; without what differs each time.

    The folder's own path, which environments are full of, stands as `FOLDER`.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in name or name in ("installed.json", "before", "install.log"):
            continue
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}".encode()
        elif path.is_dir():
            found[name] = b"folder %o" % (path.stat().st_mode & 0o7777)
        else:
            content = path.read_bytes().replace(str(folder).encode(), b"FOLDER")
            found[name] = b"%o %s" % (path.stat().st_mode & 0o7777, content)
    return found
