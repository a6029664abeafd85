"""Is what arrived what was sent: signature, names, kinds, sizes and every byte, in one pass that changes nothing."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from nerkd_local.bundle.contents import Checked, check_beside, check_names, check_objects, volume_numbers
from nerkd_local.bundle.findings import Finding, corrupt, incomplete, receive_base
from nerkd_local.bundle.folder import open_folder
from nerkd_local.bundle.hashing import OnBytes
from nerkd_local.bundle.manifest import Manifest, Object
from nerkd_local.bundle.progress import Progress, progress, silent
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import PublicKey, read_public_key
from nerkd_local.bundle.signed import read_received, read_signed, received_version, sender_key
from nerkd_local.bundle.space import readable
from nerkd_local.bundle.tool import add_key, add_root


@dataclass(frozen=True, slots=True)
class Verified:
    """A bundle that is what was signed.

    `carried_bytes` are those of its own volumes. `base_bytes` lie in an earlier bundle: None if they were not looked
    at, because no store was given.
    """

    manifest: Manifest
    key: PublicKey
    carried_bytes: int
    base_bytes: int | None


def verify(
    folder: Path, public_key: Path | PublicKey, *, store: Root | None = None, progress: Progress = silent
) -> Verified:
    """Check a bundle's folder; what a delta leaves out is looked for in `store`, if one is given.

    Raises BadSignature before anything else of it is read; then Corrupt with everything that is wrong, else Incomplete
    with everything that is missing.
    """
    key = public_key if isinstance(public_key, PublicKey) else read_public_key(public_key)
    with open_folder(folder) as opened:
        manifest = read_signed(opened, key).manifest
        names = check_names(opened, manifest)
        strange = {finding.name for finding in names}
        with progress("verifying", sum(each.size for each in manifest.objects if each.carried or store)) as on_bytes:
            beside = check_beside(opened, manifest, strange=strange)
            carried = check_objects(opened, _own(manifest), on_bytes, numbers=volume_numbers(manifest), strange=strange)
            base = Checked() if store is None else _check_base(store, manifest, on_bytes)
    _refuse(manifest, folder, [*names, *beside.findings], beside.missing, carried, base)
    looked = store is not None or manifest.base is None
    return Verified(manifest, key, carried.bytes, base.bytes if looked else None)


def verify_received(root: Root, version: str, key: PublicKey | None = None, *, progress: Progress = silent) -> Verified:
    """Check a received bundle again, from its signature on, with all that it needs from the store.

    Raises as `verify` does; InputError if that version was not received.
    """
    signed = read_received(root, version, key)
    manifest = signed.manifest
    with (
        open_folder(root.path) as opened,
        progress("verifying", sum(each.size for each in manifest.objects)) as on_bytes,
    ):
        carried = check_objects(opened, _own(manifest), on_bytes, numbers=volume_numbers(manifest))
        base = _check_base(root, manifest, on_bytes)
    _refuse(manifest, root.path, [], [], carried, base)
    return Verified(manifest, signed.key, carried.bytes, base.bytes)


def _own(manifest: Manifest) -> list[Object]:
    return [each for each in manifest.objects if each.carried]


def _check_base(store: Root, manifest: Manifest, on_bytes: OnBytes | None) -> Checked:
    left_out = [each for each in manifest.objects if not each.carried]
    if not left_out or manifest.base is None:
        return Checked()
    if not store.path.is_dir():
        return Checked(missing=[name for each in left_out for name in map(each.volume_name, range(len(each.volumes)))])
    with open_folder(store.path) as opened:
        checked = check_objects(opened, left_out, on_bytes)
    again = receive_base(manifest.base, "again")
    checked.findings = [replace(each, where=store.path, next_step=again) for each in checked.findings]
    return checked


def _refuse(
    manifest: Manifest, where: Path, findings: list[Finding], files: list[str], carried: Checked, base: Checked
) -> None:
    numbers = volume_numbers(manifest)
    missing = [numbers[name] for name in carried.missing if name in numbers]
    findings = [*dict.fromkeys([*findings, *carried.findings, *base.findings])]
    if findings:
        raise corrupt(findings, manifest, where, missing)
    if missing or files or base.missing:
        raise incomplete(manifest, missing, where, files=files, base=len(base.missing))


def configure(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "bundle", help="the bundle's folder, or a received version (its name, its sequence, or how it begins)"
    )
    add_key(parser)
    add_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify, and print what two people compare over the telephone."""
    root, bundle = Root(arguments.root), arguments.bundle
    key = sender_key(root, arguments.key)
    version = received_version(root, bundle)
    if version is not None:
        verified = verify_received(root, version, key, progress=progress)
    else:
        verified = verify(Path(bundle), key, store=root if root.objects.is_dir() else None, progress=progress)
    print(describe(verified))
    return 0


def describe(verified: Verified) -> str:
    """A verified bundle in a few lines."""
    manifest = verified.manifest
    volumes = len(manifest.numbered())
    lines = [
        "good: signed by the key, and every byte is what was signed",
        f"  root hash {manifest.root_hash}",
        f"  key       {verified.key.fingerprint}",
        f"  bundle    {manifest.name}, {manifest.kind}, sequence {manifest.sequence}, made {manifest.created}",
        f"  version   {manifest.version}",
        f"  volumes   {volumes:,} ({readable(verified.carried_bytes)}), {len(manifest.files):,} files",
    ]
    if manifest.text is not None:
        lines.append(f"  text      {manifest.text}")
    if manifest.base is not None:
        seen = (
            "not looked at: that bundle was not received under --root"
            if verified.base_bytes is None
            else f"{readable(verified.base_bytes)} of it used, and good"
        )
        lines.append(f"  goes on   from sequence {manifest.base.sequence} ({manifest.base.root_hash}): {seen}")
    return "\n".join(lines)
