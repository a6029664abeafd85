"""Whether the files of a bundle are what its manifest says: their names, kinds and sizes, then every byte, once."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from nerkd_local.bundle.findings import DAMAGED, Finding
from nerkd_local.bundle.folder import Folder, Strange
from nerkd_local.bundle.hashing import OnBytes, Unreadable, Whole, hash_handle, whole_hash
from nerkd_local.bundle.manifest import MANIFEST, OBJECTS, SIGNATURE, Beside, Manifest, Object, Volume

_FOREIGN = "another program or a person put it there; nothing but the bundle may lie in its folder"


@dataclass(slots=True)
class Checked:
    """What came of looking at some of the objects, by the names of their volumes. `bytes` are those found good."""

    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def check_names(folder: Folder, manifest: Manifest) -> list[Finding]:
    """Everything in the folder that the manifest does not name, or that is no plain file."""
    numbers = volume_numbers(manifest)
    wanted = {MANIFEST, SIGNATURE, *(each.path for each in manifest.beside), *numbers}
    folded = {name.casefold(): name for name in (*wanted, OBJECTS)}
    findings = []
    for name, kind in sorted(folder.entries().items()):
        if name in wanted or name == OBJECTS:
            right = "folder" if name == OBJECTS else "file"
            if kind != right:
                likely = "somebody put it there: a bundle holds plain files only"
                findings.append(Finding(name, f"a plain {right}", f"a {kind}", likely, numbers.get(name)))
        elif name.casefold() in folded:
            likely = "the medium or the copy changed upper and lower case (mount it with shortname=mixed)"
            findings.append(Finding(name, folded[name.casefold()], "the same name in another case", likely))
        else:
            findings.append(Finding(name, "nothing of that name", f"a {kind}", _FOREIGN))
    return findings


def check_beside(folder: Folder, manifest: Manifest, *, strange: Collection[str] = ()) -> Checked:
    """The files beside the manifest; those named in `strange` are not opened."""
    result = Checked()
    for each in manifest.beside:
        if each.path not in strange:
            _check(folder, each.path, each, result)
    return result


def check_objects(
    folder: Folder,
    objects: Iterable[Object],
    on_bytes: OnBytes | None = None,
    *,
    numbers: dict[str, int] | None = None,
    strange: Collection[str] = (),
) -> Checked:
    """The volumes of these objects, and each object whole; volumes named in `strange` are not opened."""
    result = Checked()
    numbers = numbers or {}
    for each in objects:
        with ExitStack() as stack:
            # one volume has the hash of the whole
            whole = stack.enter_context(whole_hash()) if len(each.volumes) > 1 else None
            good = True
            for number, volume in enumerate(each.volumes):
                name = each.volume_name(number)
                good = name not in strange and good
                if name not in strange:
                    good &= _check(
                        folder, name, volume, result,
                        whole=whole if good else None, number=numbers.get(name), on_bytes=on_bytes,
                    )  # fmt: skip
            if whole is not None and good and whole.digest.sha256 != each.sha256:
                result.findings.append(
                    Finding(
                        each.volume_name(0),
                        f"{each.sha256} over all its volumes",
                        whole.digest.sha256,
                        "the sender's tool made a bundle that contradicts itself; it has to be created again",
                    )
                )
    return result


def _check(
    folder: Folder,
    name: str,
    wanted: Volume | Beside,
    result: Checked,
    *,
    whole: Whole | None = None,
    number: int | None = None,
    on_bytes: OnBytes | None = None,
) -> bool:
    try:
        finding = check_file(folder, name, wanted, whole=whole, on_bytes=on_bytes)
    except FileNotFoundError:
        result.missing.append(name)
        return False
    if finding is None:
        result.bytes += wanted.size
        return True
    result.findings.append(replace(finding, number=number))
    return False


def check_file(
    folder: Folder,
    name: str,
    wanted: Volume | Beside,
    *,
    whole: Whole | None = None,
    copy_to: int | None = None,
    on_bytes: OnBytes | None = None,
) -> Finding | None:
    """What is wrong with a file, which is copied on the way to an open one if that is given; None if it is as it must
    be: nothing but the bytes that were hashed is copied.

    Raises FileNotFoundError if it is not there.
    """
    try:
        with folder.open(name) as handle:
            size = os.fstat(handle).st_size
            if size != wanted.size:
                cut = size < wanted.size
                likely = "the copy was broken off" if cut else "it was replaced, or something was appended"
                return Finding(name, f"{wanted.size:,} bytes", f"{size:,} bytes", likely)
            # one byte more than there may be: it may grow under our hands
            digest = hash_handle(handle, whole=whole, copy_to=copy_to, at_most=wanted.size + 1, on_bytes=on_bytes)
    except Strange as error:
        return Finding(name, "a plain file", f"a {error}")
    except Unreadable as error:
        likely = "the medium has a fault, or the file is another user's"
        return Finding(name, "a file that can be read", f"{error.strerror}", likely)
    if digest.sha256 != wanted.sha256:
        return Finding(name, f"SHA-256 {wanted.sha256}", digest.sha256, DAMAGED)
    return None


def volume_numbers(manifest: Manifest) -> dict[str, int]:
    """The number of each carried volume, by its name."""
    return {name: number for number, name, _ in manifest.numbered()}
