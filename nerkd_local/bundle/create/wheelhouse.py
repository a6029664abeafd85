"""The wheels of a bundle: one for each package of the lock, and the toolkit's own.

They are looked for in folders of ready wheels and in the cache before anything is fetched, so a second bundle of the
same lock needs no network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.utils import NormalizedName, canonicalize_name

from nerkd_local.bundle.create.building import Builder, Say, make_builder
from nerkd_local.bundle.create.checkout import known_files
from nerkd_local.bundle.create.lockfile import Pin, read_lock, requirement_line
from nerkd_local.bundle.create.wheels import Wheel, find_wheels, platforms, python_version, read_wheel, target_tags
from nerkd_local.bundle.manifest import Target
from nerkd_local.errors import InputError, NerkdError
from nerkd_local.files import existing_file, read_json, write_json
from nerkd_local.fingerprints import digest, digest_file

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch's own builds lie, which the main registry does not have: versions such as 2.13.0+cpu."""


def collect_wheels(
    lock: Path,
    build_lock: Path,
    target: Target,
    toolkit: Path,
    *,
    cache: Path,
    epoch: int,
    build: Collection[str] = (),
    ready: Sequence[Path] = (),
    say: Say = lambda line: None,
) -> list[Wheel]:
    """Every wheel that goes in, in the order of their names.

    `toolkit` is a checkout or a wheel; `build` names the packages of the lock that are published as source only;
    `ready` are folders of wheels; `epoch` is the time that files of wheels built here carry.
    Raises InputError for what is missing, NerkdError with pip's words where something cannot be had.
    """
    for folder in ready:
        if not folder.is_dir():
            raise InputError("no such folder; `wheels` in the spec names folders of ready wheels", path=folder)
    pins = read_lock(lock)
    sources = _sources(pins, build, lock)
    tags = target_tags(target)
    cache.mkdir(parents=True, exist_ok=True)
    # for each system a folder of its own: what pip took for another one may be second best for this one
    fetched = cache / "wheels" / f"{target.os}-{target.arch}-glibc{target.glibc}-{target.python}"
    with _lock(cache, say):
        builder = make_builder(cache, build_lock, say)
        binary = [pin for pin in pins if pin.name not in sources]
        found = find_wheels(binary, [*ready, fetched], tags)
        missing = [pin for pin in binary if pin.name not in found]
        if missing:
            say(f"fetching {len(missing)} of {len(pins)} packages (this reaches the network, as pip is configured)")
            _fetch(builder, missing, target, fetched)
            found |= find_wheels(missing, [fetched], tags)
        wheels = [read_wheel(path) for path in found.values()]
        for pin in sources.values():
            wheels.append(read_wheel(_built(builder, pin, cache / "sources", epoch, say)))
        if toolkit.suffix == ".whl":
            wheels.append(read_wheel(toolkit))
        else:
            say("building the toolkit's wheel, twice")
            with known_files(toolkit, say) as source:
                wheels.append(read_wheel(builder.build(source, epoch)))
    _check(wheels, pins, lock)
    return sorted(wheels, key=lambda wheel: wheel.name)


def check_toolkit(toolkit: Path) -> None:
    """Raise InputError if that is neither a wheel nor a checkout."""
    if toolkit.suffix == ".whl":
        read_wheel(existing_file(toolkit))
    elif not (toolkit / "pyproject.toml").is_file():
        raise InputError("is neither a wheel nor a checkout with a pyproject.toml", path=toolkit)


@contextmanager
def _lock(cache: Path, say: Say) -> Iterator[None]:
    """The cache for one process at a time; one that has to wait says so."""
    lock = FileLock(cache / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting: another process fetches packages into {cache}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def requirements(wheels: Sequence[Wheel]) -> str:
    """requirements.txt of the closed side: each package with the hash of the one wheel that is carried."""
    lines = [requirement_line(wheel.name, wheel.version, [wheel.sha256]) for wheel in wheels]
    return "\n".join(["# pip install --no-index --no-deps --require-hashes --find-links wheels -r this", *lines, ""])


def _sources(pins: Sequence[Pin], build: Collection[str], lock: Path) -> dict[NormalizedName, Pin]:
    known = {pin.name: pin for pin in pins}
    names = sorted({canonicalize_name(name) for name in build})
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"`build` names {', '.join(unknown)}, which the lock does not have", path=lock)
    return {name: known[name] for name in names}


def _fetch(builder: Builder, pins: Sequence[Pin], target: Target, into: Path) -> None:
    major, minor = python_version(target)
    how = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", f"{major}.{minor}"]
    for abi in (target.python, "abi3", "none"):
        how += ["--abi", abi]
    for platform in platforms(target):
        how += ["--platform", platform]
    for group in ([pin for pin in pins if "+" not in pin.version], [pin for pin in pins if "+" in pin.version]):
        if not group:
            continue
        doing = f"fetching wheels for {target.arch}, glibc {target.glibc}, {target.python}"
        try:
            builder.download(group, how, into, doing)
        except NerkdError:
            if "+" not in group[0].version:
                raise
            # first where pip is configured to look: a folder of wheels, say
            builder.download(group, [*how, "--index-url", TORCH_INDEX], into, doing)


def _built(builder: Builder, pin: Pin, sources: Path, epoch: int, say: Say) -> Path:
    """The wheel of a package that is published as source only. One that was built before in the same way is kept."""
    record = builder.kept / f"{digest(pin.requirement, epoch)}.json"
    if record.is_file():
        known = read_json(record)
        path: Path = builder.kept / known["path"]
        if path.is_file() and digest_file(path) == known["sha256"]:
            return path
    say(f"building {pin.name} {pin.version}, twice (published as source only)")
    folder = sources / f"{pin.name}-{pin.version}"
    builder.download(
        [pin], ["--no-binary", ":all:", "--no-build-isolation"], folder, f"fetching the source of {pin.name}"
    )
    (source,) = (path for path in folder.iterdir() if digest_file(path) in pin.hashes)
    path = builder.build(source, epoch)
    write_json(record, {"path": path.relative_to(builder.kept).as_posix(), "sha256": digest_file(path)})
    return path


def _check(wheels: Sequence[Wheel], pins: Sequence[Pin], lock: Path) -> None:
    """Raise InputError unless there is exactly one wheel for each pin, and one more: the toolkit's."""
    names = [wheel.name for wheel in wheels]
    problems = [f"{pin.name}=={pin.version} has no wheel for the target" for pin in pins if pin.name not in names]
    problems += [
        f"{name} comes twice: the lock must not have the toolkit itself" for name in set(names) if names.count(name) > 1
    ]
    if problems:
        raise InputError("\n".join(["does not fill the wheelhouse:", *sorted(problems)]), path=lock)
