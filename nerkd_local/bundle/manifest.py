"""The manifest: what a bundle is, whom it is for, and every byte of it by its hash.

bundle.json is its canonical form, so that one content has one hash. That hash, SHA-256 over the file's bytes, is the
bundle's `root hash`: what two people compare over the telephone, and what `sha256sum bundle.json` prints.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

from nerkd_local.bundle.paths import collision, path_problem
from nerkd_local.bundle.refusals import Corrupt

MANIFEST, SIGNATURE, OBJECTS = "bundle.json", "bundle.sig", "objects"
SCHEMA = 1
MAX_VOLUME = (4 << 30) - (1 << 20)
"""The largest volume, in bytes: FAT32 holds files under 4 GiB."""
MAX_MANIFEST = 256 << 20
"""Larger ones are refused unread."""
RESERVED = frozenset({"env", "installed.json", "before", "install.log", "selftest.log", "tmp"})
"""What the installation itself makes in a version's folder: no file of a toolkit takes such a name there."""

BundleKind = Literal["toolkit", "results"]
FileKind = Literal["wheel", "lock", "model", "data", "config", "sbom", "vectors", "document", "result"]
Text = Literal["none", "hashes", "full"]

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class Target:
    """The system that a toolkit is for. glibc, driver and capability are the least that will do.

    `python` is an ABI tag (`cp311`); `cuda`, `driver` and `capability` are None for the CPU.
    """

    os: str
    arch: str
    glibc: str
    python: str
    accelerator: Literal["cpu", "cuda"]
    cuda: str | None = None
    driver: str | None = None
    capability: str | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """One file under objects/: its hash and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Object:
    """A content: the hash and size of the whole, and the volumes that it is cut into, in order.

    An empty content has one empty volume. `carried` is False in a delta for what the earlier bundle holds.
    """

    sha256: str
    size: int
    volumes: tuple[Volume, ...]
    carried: bool = True

    def volume_name(self, number: int) -> str:
        """The path of volume `number` (from 0) inside the bundle."""
        return f"{OBJECTS}/{self.sha256}.{number:03}"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is installed: its path below the version's folder, and the object it has the content of."""

    path: str
    sha256: str
    size: int
    kind: FileKind
    licence: str | None = None
    origin: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """A plain file next to the manifest, for whoever has nothing but the folder."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Base:
    """The earlier bundle that a delta goes on from."""

    root_hash: str
    sequence: int


@dataclass(frozen=True)
class Manifest:
    """A bundle's contents. `objects` are in the order of their hashes, `files` and `beside` of their paths."""

    kind: BundleKind
    name: str
    sequence: int
    created: str
    tool: Mapping[str, str | None]
    target: Target | None
    installed_bytes: int
    text: Text | None
    objects: tuple[Object, ...]
    files: tuple[File, ...]
    beside: tuple[Beside, ...] = ()
    base: Base | None = None
    schema: int = SCHEMA

    @cached_property
    def content(self) -> bytes:
        """The bytes of bundle.json."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8") + b"\n"

    @cached_property
    def root_hash(self) -> str:
        """SHA-256 (hex) of bundle.json."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def version(self) -> str:
        """The name of its folder where it is installed: sequence and the begin of the root hash."""
        return f"{self.sequence:06}-{self.root_hash[:12]}"

    @cached_property
    def by_hash(self) -> Mapping[str, Object]:
        """Its objects by their hash."""
        return {each.sha256: each for each in self.objects}

    def numbered(self) -> list[tuple[int, str, Volume]]:
        """Carried volumes as (number from 1, path in the bundle, volume): the numbers that a missing list names."""
        carried = [
            (each.volume_name(number), volume)
            for each in self.objects
            if each.carried
            for number, volume in enumerate(each.volumes)
        ]
        return [(number, name, volume) for number, (name, volume) in enumerate(carried, start=1)]

    def of_kind(self, kind: FileKind) -> list[File]:
        """Its files of that kind, in order."""
        return [file for file in self.files if file.kind == kind]


def read_manifest(content: bytes) -> Manifest:
    """The manifest with these bytes. Raises Corrupt if they are not the canonical form of a sound one.

    Call it on bytes whose signature was checked; it trusts nothing all the same.
    """
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
        manifest = _manifest(value)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _corrupt(f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from None
    problem = _problem(manifest)
    if problem is not None:
        raise _corrupt(problem)
    try:
        canonical = manifest.content == content
    except UnicodeEncodeError:
        raise _corrupt("holds half a character (a lone surrogate)") from None
    if not canonical:
        raise _corrupt("is not in its canonical form (a repeated key, another order, or white space)")
    return manifest


def _corrupt(problem: str) -> Corrupt:
    return Corrupt(
        f"the manifest {problem}",
        where=MANIFEST,
        likely="it was made by another version of the tool, or altered by somebody who holds the key",
        next_step="ask the sender to create the bundle again",
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _manifest(value: Any) -> Manifest:
    given = _fields(Manifest, value)
    return Manifest(
        **given
        | {
            "target": None if value["target"] is None else Target(**_fields(Target, value["target"])),
            "base": None if value["base"] is None else Base(**_fields(Base, value["base"])),
            "objects": tuple(
                Object(
                    **_fields(Object, each)
                    | {"volumes": tuple(Volume(**_fields(Volume, one)) for one in each["volumes"])}
                )
                for each in value["objects"]
            ),
            "files": tuple(File(**_fields(File, each)) for each in value["files"]),
            "beside": tuple(Beside(**_fields(Beside, each)) for each in value["beside"]),
        }
    )


def _fields(cls: type[Any], value: Any) -> dict[str, Any]:
    """A JSON object's values, if its keys are exactly the class's fields."""
    if not isinstance(value, dict):
        raise TypeError(f"{cls.__name__} is no object")
    known = {field.name for field in fields(cls)}
    if value.keys() != known:
        raise KeyError(f"{cls.__name__}: {', '.join(sorted(value.keys() ^ known))} missing or unknown")
    return dict(value)


def _problem(manifest: Manifest) -> str | None:
    """What in it contradicts itself or cannot be; None if it is sound."""
    if manifest.schema != SCHEMA or type(manifest.schema) is not int:
        return f"has schema {manifest.schema!r}; this tool reads {SCHEMA}"
    if manifest.kind not in get_args(BundleKind):
        return f"is of the unknown kind {manifest.kind!r}"
    if not isinstance(manifest.name, str) or not _NAME.fullmatch(manifest.name):
        return f"has the name {manifest.name!r}; lower case letters, digits, dots and dashes are possible"
    if not _is_count(manifest.sequence) or not 1 <= manifest.sequence <= 999_999:
        return f"has the sequence {manifest.sequence!r}"
    if not isinstance(manifest.created, str) or not _TIME.fullmatch(manifest.created):
        return f"was created {manifest.created!r}; a time in UTC is needed"
    if not _is_count(manifest.installed_bytes):
        return f"has installed_bytes {manifest.installed_bytes!r}"
    if not isinstance(manifest.tool, dict) or not all(
        isinstance(name, str) and (value is None or isinstance(value, str)) for name, value in manifest.tool.items()
    ):
        return "names its tool in a way that cannot be read"
    if (manifest.target is not None) != (manifest.kind == "toolkit"):
        return f"is a {manifest.kind} bundle {'with' if manifest.target else 'without'} a target"
    if manifest.target is not None and not _sound_target(manifest.target):
        return f"has a target that cannot be read: {manifest.target}"
    if (manifest.text in get_args(Text)) != (manifest.kind == "results") or (
        manifest.kind == "toolkit" and manifest.text is not None
    ):
        return f"is a {manifest.kind} bundle with text treated as {manifest.text!r}"
    if manifest.base is not None and not (
        _is_hash(manifest.base.root_hash)
        and _is_count(manifest.base.sequence)
        and manifest.base.sequence < manifest.sequence
    ):
        return f"goes on from {manifest.base}, which cannot be an earlier bundle"
    return _contents_problem(manifest)


def _contents_problem(manifest: Manifest) -> str | None:
    for each in manifest.objects:
        if not _is_hash(each.sha256) or not _is_count(each.size) or type(each.carried) is not bool:
            return f"has an object that cannot be read: {each.sha256!r}"
        if not each.volumes or len(each.volumes) > 999:
            return f"has the object {each.sha256} in {len(each.volumes)} volumes"
        if any(not _is_hash(one.sha256) or not _is_count(one.size) or one.size > MAX_VOLUME for one in each.volumes):
            return f"has the object {each.sha256} with a volume that cannot be read"
        if sum(one.size for one in each.volumes) != each.size:
            return f"has the object {each.sha256} with volumes that do not add up to its size"
        if len(each.volumes) == 1 and each.volumes[0].sha256 != each.sha256:
            return f"has the object {each.sha256} with one volume of another hash"
        if len(each.volumes) > 1 and any(one.size == 0 for one in each.volumes):
            return f"has the object {each.sha256} with an empty volume"
        if not each.carried and manifest.base is None:
            return f"leaves the object {each.sha256} out, and goes on from no earlier bundle"
    if [each.sha256 for each in manifest.objects] != sorted({each.sha256 for each in manifest.objects}):
        return "has objects that are repeated or out of order"
    kinds = get_args(FileKind)
    for file in manifest.files:
        if file.kind not in kinds:
            return f"has a file of the unknown kind {file.kind!r}"
        if any(
            value is not None and not isinstance(value, str) for value in (file.licence, file.origin, file.revision)
        ):
            return f"has a file whose licence or origin cannot be read: {file.path!r}"
    listed: tuple[File | Beside, ...] = (*manifest.files, *manifest.beside)
    for one in listed:
        problem = path_problem(one.path) if isinstance(one.path, str) else "is no text"
        if problem is not None:
            return f"names the file {one.path!r}, which {problem}"
        if not _is_hash(one.sha256) or not _is_count(one.size):
            return f"has a file that cannot be read: {one.path!r}"
    for names in ([file.path for file in manifest.files], [one.path for one in manifest.beside]):
        if names != sorted(names):
            return "has files out of order"
        pair = collision(names)
        if pair is not None:
            return f"names {pair[0]!r} and {pair[1]!r}, which are one file where case does not count"
    reserved = {MANIFEST, SIGNATURE, OBJECTS}
    if any("/" in one.path or one.path.casefold() in reserved for one in manifest.beside):
        return "has a file beside it that takes the place of another"
    if manifest.kind == "toolkit":
        for file in manifest.files:
            if file.path.split("/")[0].casefold() in RESERVED:
                return f"names the file {file.path!r}, where the installation puts its own"
    known = manifest.by_hash
    for file in manifest.files:
        if file.sha256 not in known or known[file.sha256].size != file.size:
            return f"has the file {file.path!r} without its content"
    unused = known.keys() - {file.sha256 for file in manifest.files}
    return f"carries {min(unused)}, which no file has as its content" if unused else None


def _sound_target(target: Target) -> bool:
    needed = (target.os, target.arch, target.glibc, target.python)
    optional = (target.cuda, target.driver, target.capability)
    return (
        all(isinstance(value, str) and value for value in needed)
        and all(value is None or isinstance(value, str) for value in optional)
        and target.accelerator in ("cpu", "cuda")
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
