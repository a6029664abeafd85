"""A manifest whose signature was checked: nothing else of a bundle is looked at before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nerkd_local.bundle.folder import Folder, Strange, open_folder
from nerkd_local.bundle.hashing import Unreadable
from nerkd_local.bundle.manifest import MANIFEST, MAX_MANIFEST, SIGNATURE, Manifest, read_manifest
from nerkd_local.bundle.refusals import BadSignature, Corrupt, Incomplete
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import SIGNATURE_BYTES, PublicKey, check_signature, read_public_key
from nerkd_local.bundle.versions import find_version
from nerkd_local.errors import InputError


@dataclass(frozen=True, slots=True)
class Signed:
    """A manifest, the signature over its bytes, and the key that it fits."""

    manifest: Manifest
    signature: bytes
    key: PublicKey


def read_signed(folder: Folder, key: PublicKey) -> Signed:
    """The manifest of a bundle's folder.

    Raises Incomplete or BadSignature if it or its signature is not there, BadSignature if they do not fit the key, and
    Corrupt if either is no plain file or the manifest cannot be.
    """
    content = _read(folder, MANIFEST, MAX_MANIFEST)
    if content is None:
        raise Incomplete(
            "there is no manifest",
            where=folder.path,
            expected=MANIFEST,
            likely="the copy was broken off, or this is not the folder of a bundle but one above or below it",
            next_step="name the folder that holds bundle.json",
        )
    if len(content) > MAX_MANIFEST:
        raise Corrupt("the manifest is larger than any can be", where=folder.path / MANIFEST)
    signature = _read(folder, SIGNATURE, SIGNATURE_BYTES)
    if signature is None:
        raise BadSignature(
            "there is no signature",
            where=folder.path,
            expected=SIGNATURE,
            likely="the copy was broken off, or somebody took it away",
            next_step="copy the folder again from the sender's medium",
        )
    check_signature(content, signature, key, folder.path / SIGNATURE)
    return Signed(read_manifest(content), signature, key)


def _read(folder: Folder, name: str, at_most: int) -> bytes | None:
    try:
        return folder.read(name, at_most)
    except FileNotFoundError:
        return None
    except Strange as error:
        found, likely = f"a {error}", "somebody put it there: a bundle holds plain files only"
    except Unreadable as error:
        found, likely = str(error.strerror), "the medium has a fault, or the file is another user's"
    raise Corrupt(
        f"{name} cannot be read",
        where=folder.path / name,
        expected="a plain file",
        found=found,
        likely=likely,
        next_step="copy the folder again from the sender's medium",
    )


def sender_key(root: Root | None, given: Path | None) -> PublicKey:
    """The key that a bundle must be signed with: the given one, else the one pinned under the root.

    Raises InputError if there is neither.
    """
    if given is not None:
        return read_public_key(given)
    if root is not None and root.key.exists():
        return read_public_key(root.key)
    raise InputError(
        "no key is pinned here yet: give the sender's public key with --key, which must have come another way than "
        "the bundle"
    )


def pinned_key(root: Root, given: Path | None) -> PublicKey:
    """The key that counts under the root: the pinned one; the given one as long as there is none.

    Raises BadSignature if another one is given than is pinned, InputError if there is neither.
    """
    if given is None or not root.key.exists():
        return sender_key(root, given)
    pinned, other = read_public_key(root.key), read_public_key(given)
    if pinned != other:
        raise BadSignature(
            "this is not the key that is pinned here",
            where=given,
            expected=f"{pinned.fingerprint} (pinned: {root.key})",
            found=other.fingerprint,
            likely="the sender has a new key, or this is not the sender's",
            next_step="compare the fingerprints with the sender by telephone; only if the new one is right, remove "
            f"{root.key} and receive with --key",
        )
    return pinned


def read_received(root: Root, version: str, key: PublicKey | None = None) -> Signed:
    """The manifest of a bundle that was received; its signature is checked again, by the pinned key if none is given.

    Raises InputError, naming those that there are, if that version was not received.
    """
    if version not in root.received_versions():
        known = ", ".join(root.received_versions()) or "none yet"
        raise InputError(f"no bundle {version!r} was received here (received: {known})", path=root.path)
    with open_folder(root.bundle(version)) as folder:
        signed = read_signed(folder, key or sender_key(root, None))
    if signed.manifest.version != version:
        raise Corrupt(
            "the manifest is another bundle's",
            where=root.bundle(version),
            expected=version,
            found=signed.manifest.version,
            likely="somebody moved it there",
            next_step="receive the bundle again from its medium",
        )
    return signed


def received_version(root: Root, bundle: str) -> str | None:
    """The version that an argument means, by its name, its sequence or how its name begins; None if it is a folder.

    A folder that has the full name of a version, in the place where the command is typed, is not taken for it. Raises
    InputError, naming those that there are, if it is neither, or more than one.
    """
    known = root.received_versions()
    if bundle not in known and Path(bundle).exists():
        return None
    try:
        return find_version(bundle, known, "received", root.path)
    except InputError as error:
        raise InputError(f"{error.problem}; nor is there such a folder", path=root.path) from None
