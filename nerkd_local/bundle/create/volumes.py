"""A bundle's folder: contents by their hash, cut into volumes, with a signed manifest; whole or not there at all.

The manifest is known before the first byte is written, so what is there already, and what does not fit on the disk, is
found out first. Contents are copied and never linked: bundles are made for media that know no links.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from nerkd_local.bundle.manifest import (
    MANIFEST,
    MAX_VOLUME,
    OBJECTS,
    SIGNATURE,
    Base,
    Beside,
    BundleKind,
    File,
    FileKind,
    Manifest,
    Object,
    Target,
    Text,
    Volume,
    read_manifest,
)
from nerkd_local.bundle.paths import collision, path_problem
from nerkd_local.bundle.signature import sign
from nerkd_local.bundle.space import require_space
from nerkd_local.errors import InputError
from nerkd_local.files import existing_file, sync_folder
from nerkd_local.software import describe_software

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a bundle to be: its content (a file, or the bytes), and what the manifest says of it."""

    content: Path | bytes
    kind: FileKind
    licence: str | None = None
    origin: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What the manifest says besides the files. Without `installed_bytes`: the sum of the files' sizes."""

    kind: BundleKind
    name: str
    sequence: int
    created: str
    target: Target | None = None
    text: Text | None = None
    installed_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that lies in its folder. `carried_bytes`: its volumes; `new` is False if it was there already."""

    folder: Path
    manifest: Manifest
    carried_bytes: int
    new: bool


def write_bundle(
    header: Header,
    sources: Mapping[str, Source],
    output: Path,
    key: Path,
    *,
    beside: Mapping[str, bytes] | None = None,
    earlier: Manifest | None = None,
    max_volume: int = MAX_VOLUME,
    say: Callable[[str], None] = lambda line: None,
) -> Written:
    """Write the bundle of these files (by their path where it is installed), signed with the private key.

    The same arguments give the same bytes. With `earlier` it is a delta: what that bundle has is named, not carried.
    It is put together in `OUTPUT.partial`; after an interruption the same call keeps the volumes that are good there.
    Raises InputError for paths that no bundle can have, for files that change meanwhile, and if `output` holds
    anything but this very bundle; NoSpace before anything is written.
    """
    if output.is_symlink():
        raise InputError("is a link; name the folder itself", path=output)
    output = Path(os.path.abspath(output))  # `.` has no name to put the parts beside
    _check_paths(sources, beside or {})
    manifest = _plan(header, sources, beside or {}, earlier, max_volume)
    signature = sign(manifest.content, key)
    plain = {MANIFEST: manifest.content, SIGNATURE: signature, **(beside or {})}
    carried = sum(volume.size for _, _, volume in manifest.numbered())
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        if not _is_whole(output, manifest, plain):
            raise InputError(
                "holds something else already; nothing is written over a bundle: name another folder, or remove it",
                path=output,
            )
        return Written(output, manifest, carried, new=False)
    with _partial(output) as folder:
        _check_space(folder, manifest, sum(map(len, plain.values())))
        _write_objects(folder, manifest, sources, say)
        _write_plain(folder, plain)
        _remove_others(folder, {*plain, *(name for _, name, _ in manifest.numbered())})
        for each in (folder / OBJECTS, folder):
            sync_folder(each)
        folder.rename(output)
        sync_folder(output.parent)
    return Written(output, manifest, carried, new=True)


def _check_paths(sources: Mapping[str, Source], beside: Mapping[str, bytes]) -> None:
    problems = [f"{path!r} {problem}" for path in (*sources, *beside) if (problem := path_problem(path))]
    pair = collision(sources)
    if pair is not None:
        problems.append(f"{pair[0]!r} and {pair[1]!r} are one file where case does not count")
    if problems:
        raise InputError("\n".join(["no bundle can hold these paths:", *problems]))
    if not sources:
        raise InputError("there is no file to put into the bundle")


def _plan(
    header: Header,
    sources: Mapping[str, Source],
    beside: Mapping[str, bytes],
    earlier: Manifest | None,
    max_volume: int,
) -> Manifest:
    known = earlier.by_hash if earlier else {}
    objects: dict[str, Object] = {}
    files = []
    for path, source in sorted(sources.items()):
        found = _cut(source.content, max_volume)
        if found.sha256 in known:
            # in the volumes that it was received in: the limit may have been another one then
            found = Object(found.sha256, found.size, known[found.sha256].volumes, carried=False)
        objects[found.sha256] = found
        files.append(File(path, found.sha256, found.size, source.kind, source.licence, source.origin, source.revision))
    software = describe_software(())
    manifest = Manifest(
        kind=header.kind,
        name=header.name,
        sequence=header.sequence,
        created=header.created,
        tool={name: software[name] for name in ("nerkd-local", "commit")},
        target=header.target,
        installed_bytes=sum(file.size for file in files) if header.installed_bytes is None else header.installed_bytes,
        text=header.text,
        objects=tuple(objects[sha256] for sha256 in sorted(objects)),
        files=tuple(files),
        beside=tuple(
            Beside(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in sorted(beside.items())
        ),
        base=Base(earlier.root_hash, earlier.sequence) if earlier else None,
    )
    read_manifest(manifest.content)  # what cannot be read must not be signed
    return manifest


def _cut(content: Path | bytes, max_volume: int) -> Object:
    """A content as an object: its hash, and that of each volume, in one pass."""
    whole, size = hashlib.sha256(), 0
    volumes: list[Volume] = []
    with _opened(content) as stream:
        while not volumes or volumes[-1].size == max_volume:
            part, room = hashlib.sha256(), max_volume
            while room and (piece := stream.read(min(_PIECE, room))):
                whole.update(piece)
                part.update(piece)
                room -= len(piece)
            if room < max_volume or not volumes:
                volumes.append(Volume(part.hexdigest(), max_volume - room))
                size += max_volume - room
            else:
                break
    return Object(whole.hexdigest(), size, tuple(volumes))


@contextmanager
def _opened(content: Path | bytes) -> Iterator[IO[bytes]]:
    if isinstance(content, bytes):
        yield BytesIO(content)
    else:
        with existing_file(content).open("rb") as stream:
            yield stream


@contextmanager
def _partial(output: Path) -> Iterator[Path]:
    """The folder that becomes `output`, for one process at a time."""
    folder = output.with_name(f"{output.name}.partial")
    try:
        (folder / OBJECTS).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError("cannot be made: something on the way is no folder", path=folder / OBJECTS) from None
    for each in (folder, folder / OBJECTS):
        each.chmod(0o755)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another process writes this bundle; wait for it", path=folder) from None
        yield folder
    finally:
        os.close(handle)


def _check_space(folder: Path, manifest: Manifest, plain: int) -> None:
    volumes = [(folder / name, volume.size) for _, name, volume in manifest.numbered()]
    there = sum(min(path.stat().st_size, size) for path, size in volumes if path.is_file())
    require_space(
        folder,
        plain + sum(size for _, size in volumes) - there,
        "for the bundle",
        files=len(volumes),
        next_step="make room, or name another --output; the same command goes on",
    )


def _write_objects(folder: Path, manifest: Manifest, sources: Mapping[str, Source], say: Callable[[str], None]) -> None:
    contents = {file.sha256: (file.path, sources[file.path].content) for file in manifest.files}
    for each in manifest.objects:
        if not each.carried:
            continue
        path, content = contents[each.sha256]
        offset = 0
        for number, volume in enumerate(each.volumes):
            target = folder / each.volume_name(number)
            if not _is_good(target, volume):
                if volume.size >= 64 * _PIECE:
                    say(f"writing {path} ({volume.size / 1e6:,.0f} MB)")
                _copy(path, content, offset, volume, target)
            offset += volume.size


def _copy(path: str, content: Path | bytes, offset: int, volume: Volume, target: Path) -> None:
    part, room = hashlib.sha256(), volume.size
    temporary = target.with_name(f"{target.name}.part")
    with _opened(content) as stream, temporary.open("wb") as out:
        stream.seek(offset)
        while room and (piece := stream.read(min(_PIECE, room))):
            part.update(piece)
            out.write(piece)
            room -= len(piece)
        out.flush()
        os.fsync(out.fileno())
    if room or part.hexdigest() != volume.sha256:
        place = content if isinstance(content, Path) else path
        raise InputError("changed while the bundle was written; leave it alone, and run the command again", path=place)
    temporary.chmod(0o644)
    temporary.replace(target)


def _write_plain(folder: Path, plain: Mapping[str, bytes]) -> None:
    for name, content in plain.items():
        with (folder / name).open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        (folder / name).chmod(0o644)


def _remove_others(folder: Path, wanted: set[str]) -> None:
    """Remove what an interrupted call with other contents left there."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if path != folder / OBJECTS:
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def _is_good(path: Path, volume: Volume) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != volume.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == volume.sha256


def _is_whole(folder: Path, manifest: Manifest, plain: Mapping[str, bytes]) -> bool:
    """Whether the folder holds exactly this bundle."""
    volumes = {name: volume for _, name, volume in manifest.numbered()}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return (
        there == {*plain, *volumes}
        and all((folder / name).read_bytes() == content for name, content in plain.items())
        and all(_is_good(folder / name, volume) for name, volume in volumes.items())
    )
