"""The bundle's list of parts: CycloneDX 1.6 as JSON, with packages, models and data, their licences and hashes.

The same parts give the same bytes: its time is the bundle's, its serial number is drawn from the contents.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from nerkd_local.bundle.create.wheels import Wheel
from nerkd_local.fingerprints import digest, digest_json

PATH = "sbom.cdx.json"
TOOLKIT = "nerkd-local"


@dataclass(frozen=True, slots=True)
class Part:
    """A model or a data set: where it lies on the closed side, where it is from, and its files with their hashes."""

    kind: Literal["model", "data"]
    name: str
    path: str
    files: Sequence[tuple[str, str]]
    """(path below `path`, SHA-256)."""
    licence: str | None = None
    origin: str | None = None
    revision: str | None = None


def write_sbom(name: str, version: str, created: str, wheels: Sequence[Wheel], parts: Sequence[Part]) -> bytes:
    """The list as JSON. What says nothing of its licence has none here: unknown is not guessed."""
    components = [_package(wheel) for wheel in wheels] + [_part(part) for part in parts]
    root = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref="bundle")
    contents = digest(
        name,
        version,
        created,
        *(f"{wheel.name} {wheel.version} {wheel.sha256}" for wheel in wheels),
        *(digest_json([part.path, *map(list, part.files), part.licence, part.origin, part.revision]) for part in parts),
    )
    bom = Bom(
        serial_number=uuid.UUID(bytes=bytes.fromhex(contents)[:16], version=4),
        metadata=BomMetaData(component=root, timestamp=datetime.fromisoformat(created)),
        components=components,
    )
    bom.register_dependency(root, components)
    value = json.loads(JsonV1Dot6(bom).output_as_string())
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode("utf-8")


def package_url(wheel: Wheel) -> PackageURL:
    """What a package is called everywhere: `pkg:pypi/name@version`."""
    return PackageURL("pypi", None, wheel.name, wheel.version)


def _package(wheel: Wheel) -> Component:
    purl = package_url(wheel)
    return Component(
        name=wheel.name,
        version=wheel.version,
        type=ComponentType.APPLICATION if wheel.name == TOOLKIT else ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=[_hash(wheel.sha256)],
        licenses=_declared(wheel.licence),
        properties=[Property(name="nerkd:file", value=f"wheels/{wheel.path.name}")],
    )


def _part(part: Part) -> Component:
    """A model or a data set, with each of its files as a part of it."""
    return Component(
        name=part.name,
        version=part.revision,
        type=ComponentType.MACHINE_LEARNING_MODEL if part.kind == "model" else ComponentType.DATA,
        bom_ref=part.path,
        licenses=_declared(part.licence),
        properties=[Property(name="nerkd:origin", value=part.origin)] if part.origin else None,
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(part.origin))]
        if part.origin and part.origin.startswith("https://")
        else None,
        components=[
            Component(
                name=path,
                type=ComponentType.FILE,
                bom_ref=f"{part.path}/{path}" if path else f"{part.path}#",
                hashes=[_hash(sha256)],
            )
            for path, sha256 in part.files
        ],
    )


def _declared(licence: str | None) -> list[License] | None:
    """The licence as an SPDX identifier or expression, else as a name: what its maker says."""
    if licence is None:
        return None
    return [LicenseFactory().make_from_string(licence, license_acknowledgement=LicenseAcknowledgement.DECLARED)]


def _hash(sha256: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=sha256)
