"""Install a received bundle beside what is there, let it check itself, and only then switch to it.

versions/VERSION is filled in this order: files, environment, self-test, `installed.json`, each on the disk before the
next counts on it; `current` is renamed last. So whenever the process or the machine stops, what was active still is.
A folder without `installed.json` is removed whole and made again: links to the received volumes cost nothing, and an
environment that was left half-made is never mended.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nerkd_local import __version__
from nerkd_local.bundle import steps
from nerkd_local.bundle.activate import switch
from nerkd_local.bundle.durable import write_durably
from nerkd_local.bundle.environment import make_environment, pip_wheel, run_self_test
from nerkd_local.bundle.laying import copied_bytes, lay_out
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.progress import Progress, progress, silent
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.root import Root, make_folders
from nerkd_local.bundle.signed import pinned_key, read_received
from nerkd_local.bundle.space import require_space
from nerkd_local.bundle.state import require_successor
from nerkd_local.bundle.system import examine, require_target, this_python
from nerkd_local.bundle.tool import add_key, add_root
from nerkd_local.bundle.verify import verify_received
from nerkd_local.bundle.versions import find_version, sequence_of
from nerkd_local.errors import InputError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """An installation that is whole. `new` is False if it was so before; `before` was active then (None: nothing)."""

    version: str
    new: bool
    active: bool
    before: str | None


def install(
    root: Root,
    version: str | None = None,
    *,
    python: Path | None = None,
    activate: bool = True,
    accelerator_elsewhere: bool = False,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Installed:
    """Install a received bundle (default: the one with the highest sequence) for `python`, and activate it.

    One that is installed is only activated; called again after an interruption, it begins the version's folder anew.
    Raises, before anything is written, InputError, BadSignature, Corrupt, Incomplete, LowerSequence, WrongPlatform or
    NoSpace; later InstallFailed, SelfTestFailed, or NoSpace where something else fills the disk meanwhile. What was
    active stays so in every case.
    """
    with root.locked() as lock:
        manifest = read_received(root, _received(root, version)).manifest
        require_successor(root, manifest)
        before, new = root.active(), not root.installed(manifest.version).is_file()
        if new:
            _install(root, manifest, python or this_python(), accelerator_elsewhere, lock, progress, say)
        if activate:
            switch(root, manifest)
        return Installed(manifest.version, new, root.active() == manifest.version, before)


def _received(root: Root, version: str | None) -> str:
    """The version that is meant among the received ones."""
    known = root.received_versions()
    if version is not None:
        return find_version(version, known, "received", root.path)
    if not known:
        raise InputError("no bundle was received here yet; nerkd-bundle receive FOLDER --key KEY", path=root.path)
    newest = [each for each in known if sequence_of(each) == sequence_of(known[-1])]
    if len(newest) > 1:
        raise InputError(
            f"{' and '.join(newest)} have the same sequence; say which one is to be installed", path=root.path
        )
    return newest[0]


def _install(
    root: Root, manifest: Manifest, python: Path, accelerator_elsewhere: bool, lock: int, progress: Progress, say: Say
) -> None:
    """Fill the version's folder; it counts as installed when the last file is written."""
    began, folder = time.monotonic(), root.version(manifest.version)
    system = examine(python)
    assert manifest.target is not None  # only bundles of results have none, and those are not received
    require_target(manifest.target, system, accelerator_elsewhere=accelerator_elsewhere)
    pip_wheel(manifest)
    _remove(folder)
    steps.reached("what was left of an earlier attempt is gone")
    _require_space(root, manifest)
    say(f"checking {manifest.version} again, signature and every byte")
    verify_received(root, manifest.version, progress=progress)
    make_folders(folder)
    steps.reached("its folder is there")
    with progress("laying out", sum(file.size for file in manifest.files)) as on_bytes:
        lay_out(root, manifest, folder, on_bytes)
    say(f"making its environment with {system.executable} (some minutes; {folder / 'install.log'})")
    make_environment(folder, manifest, system.executable, lock)
    say("self-test in the new environment")
    for line in run_self_test(folder, lock):
        say(f"  {line}")
    steps.reached("the self-test has passed")
    os.sync()  # tens of thousands of files: one call for all of them, where an fsync each takes minutes
    steps.reached("everything is on the disk")
    record = {
        "version": manifest.version,
        "root_hash": manifest.root_hash,
        "name": manifest.name,
        "sequence": manifest.sequence,
        "installed": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(time.monotonic() - began, 1),
        "python": str(system.executable),
        "python_version": system.version,
        "glibc": system.glibc,
        "tool": __version__,
    }
    write_durably(root.installed(manifest.version), json.dumps(record, ensure_ascii=False, indent=1).encode() + b"\n")
    steps.reached("it is installed")


def _remove(folder: Path) -> None:
    """Remove what an attempt that was broken off has left."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


def _require_space(root: Root, manifest: Manifest) -> None:
    """Raise NoSpace if the environment and what has to be copied do not fit."""
    environment = max(0, manifest.installed_bytes - sum(file.size for file in manifest.files))
    needed = environment + copied_bytes(root, manifest)
    require_space(root.path, needed, f"to install {manifest.version}", files=len(manifest.files))


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "bundle",
        nargs="?",
        help="a received version (its name, its sequence, or how its name begins), or a bundle's folder, which is "
        "received first [the received one with the highest sequence]",
    )
    parser.add_argument("--python", type=Path, help="the Python to install for [the one that runs this]")
    parser.add_argument(
        "--no-activate", action="store_true", help="install it beside the active one, and leave that so"
    )
    parser.add_argument(
        "--accelerator-elsewhere",
        action="store_true",
        help="the GPU is in other machines that see the same folder: ask nothing about it here",
    )
    add_key(parser)
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Install, and say what is active now and how it is called."""
    root, version = Root(arguments.root), arguments.bundle
    if version is not None and Path(version).is_dir() and version not in root.received_versions():
        version = receive(Path(version), root, arguments.key, progress=progress).version
    elif arguments.key is not None and root.key.exists():
        pinned_key(root, arguments.key)  # whoever names a key means that one
    done = install(
        root,
        version,
        python=arguments.python,
        activate=not arguments.no_activate,
        accelerator_elsewhere=arguments.accelerator_elsewhere,
        progress=progress,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(f"{done.version} {'is installed' if done.new else 'was installed already'}")
    if done.active:
        was = (
            "is active, as before"
            if done.before == done.version
            else f"is active now (before: {done.before or 'none'})"
        )
        print(f"  {was}\n  run it    {root.current / 'env' / 'bin' / 'nerkd'} demo")
    else:
        print(f"  active    {done.before or 'none'}\n  next      nerkd-bundle activate {done.version}")
    return 0
