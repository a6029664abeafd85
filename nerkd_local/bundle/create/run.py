"""From a spec to a signed bundle. What can be wrong is looked for before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.bundle.create.beside import beside_files
from nerkd_local.bundle.create.contents import find_parts, find_plain, models_manifest, wheel_sources
from nerkd_local.bundle.create.created import as_text, bundle_time
from nerkd_local.bundle.create.sbom import PATH, write_sbom
from nerkd_local.bundle.create.spec import BundleSettings
from nerkd_local.bundle.create.vectors import VECTORS, compute_vectors
from nerkd_local.bundle.create.volumes import Header, Source, Written, write_bundle
from nerkd_local.bundle.create.wheelhouse import check_toolkit, collect_wheels
from nerkd_local.bundle.create.wheels import check_imports
from nerkd_local.bundle.manifest import MANIFEST, MAX_MANIFEST, SIGNATURE, FileKind, Manifest, read_manifest
from nerkd_local.bundle.pyz import NAME
from nerkd_local.bundle.refusals import BadSignature
from nerkd_local.bundle.signature import sign
from nerkd_local.bundle.space import readable
from nerkd_local.errors import InputError
from nerkd_local.files import existing_file


@dataclass(frozen=True, slots=True)
class Created:
    """A bundle, and which of its packages, models and data sets say nothing of their licence."""

    written: Written
    unlicensed: list[str]


def create_bundle(
    settings: BundleSettings,
    key: Path,
    output: Path,
    *,
    cache: Path,
    after: Path | None = None,
    full: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Created:
    """Make the bundle, signed with the private key; the same inputs give the same bytes.

    `after` is the bundle that the closed side has: what is in that one is left out, unless `full`.
    """
    earlier = _read_earlier(after, key) if after is not None else None
    sequence = _sequence(settings, earlier)
    sign(b"nerkd", key)  # a key that cannot sign is better known now
    check_toolkit(settings.toolkit)
    time = bundle_time(settings.created, settings.toolkit)
    parts, plain = find_parts(settings), find_plain(settings)
    for part in parts:
        if part.kind == "model" and part.taken_in is None:
            say(f"note: {part.folder} was never taken in, so nobody tried it out (nerkd models add {part.folder})")
    wheels = collect_wheels(
        settings.lock,
        settings.build_lock,
        settings.target.target(),
        settings.toolkit,
        cache=cache,
        epoch=int(time.timestamp()),
        build=settings.build,
        ready=settings.wheels,
        say=say,
    )
    check_imports(settings.imports, wheels)
    say("computing the self-test's vectors")
    models = {part.path: part.folder for part in parts if part.kind == "model"}
    vectors = compute_vectors(wheels, settings.imports, models)
    sbom = write_sbom(settings.name, str(sequence), as_text(time), wheels, [part.part() for part in parts])
    sources = wheel_sources(wheels) | plain | models_manifest(parts)
    for part in parts:
        sources |= part.sources()
    sources |= {PATH: Source(sbom, "sbom"), VECTORS: Source(vectors, "vectors")}
    unpacked = sum(wheel.installed_bytes for wheel in wheels)
    files = sum(
        len(each.content) if isinstance(each.content, bytes) else each.content.stat().st_size
        for each in sources.values()
    )
    header = Header(
        kind="toolkit",
        name=settings.name,
        sequence=sequence,
        created=as_text(time),
        target=settings.target.target(),
        installed_bytes=files + unpacked,
    )
    say(f"hashing {len(sources)} files ({readable(files)})")
    written = write_bundle(
        header, sources, output, key, beside=beside_files(), earlier=None if full else earlier, say=say
    )
    unlicensed = [str(wheel.name) for wheel in wheels if wheel.licence is None]
    unlicensed += [part.path for part in parts if part.licence is None]
    return Created(written, unlicensed)


def describe_created(created: Created, key: Path) -> str:
    """What the person who carries it away needs to know."""
    written, manifest = created.written, created.written.manifest
    kinds: dict[FileKind, str] = {"wheel": "package", "model": "model file", "data": "data file", "config": "config"}
    counts = {name: len(manifest.of_kind(kind)) for kind, name in kinds.items()}
    contents = [f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count]
    after = f", after {manifest.base.sequence} ({manifest.base.root_hash[:12]})" if manifest.base else ""
    lines = [
        f"{manifest.name} {manifest.sequence}{after} -> {written.folder}"
        + ("" if written.new else " (it was there already, and is the same)"),
        f"  root hash  {manifest.root_hash}",
        f"  version    {manifest.version}",
        f"  carries    {readable(written.carried_bytes)} in {len(manifest.numbered())} volumes; installed it takes "
        f"{readable(manifest.installed_bytes)}",
        f"  contents   {', '.join(contents)}",
    ]
    if created.unlicensed:
        lines.append(f"  licence    not said by {', '.join(created.unlicensed)}")
    return "\n".join(
        [
            *lines,
            f"  key        openssl pkey -in {key} -pubout -out PUBLIC.pem   (it goes another way than the bundle)",
            f"  check      python3 -I {written.folder / NAME} verify {written.folder} --key PUBLIC.pem",
        ]
    )


def _sequence(settings: BundleSettings, earlier: Manifest | None) -> int:
    if earlier is None:
        return settings.sequence or 1
    if earlier.name != settings.name:
        raise InputError(
            f"the spec is of {settings.name!r} and the earlier bundle of {earlier.name!r}; bundles that follow each "
            "other have one name"
        )
    if settings.sequence is not None and settings.sequence <= earlier.sequence:
        raise InputError(
            f"`sequence` is {settings.sequence}, and the earlier bundle's is {earlier.sequence}; leave it out, or give "
            "a higher one"
        )
    return settings.sequence or earlier.sequence + 1


def _read_earlier(folder: Path, key: Path) -> Manifest:
    """The earlier bundle's manifest, if this very key signed it: ed25519 gives the same signature each time."""
    path = existing_file(folder / MANIFEST)
    if path.stat().st_size > MAX_MANIFEST:
        raise InputError(f"is larger than any manifest ({MAX_MANIFEST:,} bytes)", path=path)
    content = path.read_bytes()
    if sign(content, key) != existing_file(folder / SIGNATURE).read_bytes():
        raise BadSignature(
            "the earlier bundle is not signed with this key",
            where=folder,
            likely="it was altered, or another key signs now; the closed side takes bundles of its pinned key only",
            next_step="name the bundle that was sent, or make a whole one without --after",
        )
    manifest = read_manifest(content)
    if manifest.kind != "toolkit":
        raise InputError(f"is a bundle of {manifest.kind}; one of the toolkit is needed", path=folder)
    return manifest
