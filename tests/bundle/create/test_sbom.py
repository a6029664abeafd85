"""The list of parts: valid by the standard, complete, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from nerkd_local.bundle.create.sbom import Part, write_sbom
from nerkd_local.bundle.create.wheels import Wheel

CREATED = "2026-01-02T03:04:05Z"
A, B, C = "a" * 64, "b" * 64, "c" * 64
WHEELS = [
    Wheel(Path("alpha-1.0-py3-none-any.whl"), "alpha", "1.0", A, "MIT", 1),  # type: ignore[arg-type]
    Wheel(Path("beta-2.0-py3-none-any.whl"), "beta", "2.0+cpu", B, "Apache-2.0 OR BSD-2-Clause", 1),  # type: ignore[arg-type]
    Wheel(Path("gamma-1-py3-none-any.whl"), "gamma", "1", C, "Apache License, Version 2.0", 1),  # type: ignore[arg-type]
    Wheel(Path("nerkd_local-0.1-py3-none-any.whl"), "nerkd-local", "0.1", C, None, 1),  # type: ignore[arg-type]
]
PARTS = [
    Part("model", "tiny", "models/tiny", [("config.json", A), ("model.safetensors", B)], "Apache-2.0", "a disk", "7"),
    Part("data", "news", "data/news", [("a/x.txt", A)], None, "https://example.org/news"),
    Part("data", "one.txt", "data/one.txt", [("data/one.txt", C)]),
]


def made(**changes: Any) -> dict[str, Any]:
    arguments = {"name": "b", "version": "3", "created": CREATED, "wheels": WHEELS, "parts": PARTS, **changes}
    return dict(json.loads(write_sbom(**arguments)))


def test_it_is_valid_by_the_schema_of_cyclonedx_1_6() -> None:
    text = write_sbom("b", "3", CREATED, WHEELS, PARTS).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = {**json.loads(text), "components": [{"name": "no type"}]}  # the validator does find something
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(broken)) is not None


def test_every_part_is_in_it_with_hash_and_licence() -> None:
    value = made()
    assert (value["bomFormat"], value["specVersion"]) == ("CycloneDX", "1.6")
    assert value["metadata"]["timestamp"].startswith("2026-01-02T03:04:05")
    found = {each["name"]: each for each in value["components"]}
    assert {name: each["type"] for name, each in found.items()} == {
        "alpha": "library",
        "beta": "library",
        "gamma": "library",
        "nerkd-local": "application",
        "tiny": "machine-learning-model",
        "news": "data",
        "one.txt": "data",
    }
    assert found["beta"]["purl"] == "pkg:pypi/beta@2.0%2Bcpu"
    assert found["beta"]["hashes"] == [{"alg": "SHA-256", "content": B}]
    assert {name: each.get("licenses") for name, each in found.items()} == {
        "alpha": [{"license": {"acknowledgement": "declared", "id": "MIT"}}],
        "beta": [{"acknowledgement": "declared", "expression": "Apache-2.0 OR BSD-2-Clause"}],
        "gamma": [{"license": {"acknowledgement": "declared", "name": "Apache License, Version 2.0"}}],
        "nerkd-local": None,
        "tiny": [{"license": {"acknowledgement": "declared", "id": "Apache-2.0"}}],
        "news": None,
        "one.txt": None,
    }
    files = {each["name"]: each["hashes"][0]["content"] for each in found["tiny"]["components"]}
    assert files == {"config.json": A, "model.safetensors": B}
    assert found["tiny"]["version"] == "7"
    assert found["tiny"]["properties"] == [{"name": "nerkd:origin", "value": "a disk"}]
    assert found["news"]["externalReferences"] == [{"type": "distribution", "url": "https://example.org/news"}]


def test_the_same_parts_give_the_same_bytes_and_others_another_serial_number() -> None:
    arguments = ("b", "3", CREATED, WHEELS, PARTS)
    assert write_sbom(*arguments) == write_sbom(*arguments)
    other = [
        made(name="c"),
        made(version="4"),
        made(created="2026-01-02T03:04:06Z"),
        made(wheels=WHEELS[1:]),
        made(parts=PARTS[1:]),
        made(parts=[*PARTS[:2], Part("data", "one.txt", "data/one.txt", [("data/one.txt", A)])]),
    ]
    serials = [each["serialNumber"] for each in (made(), *other)]
    assert len({*serials}) == len(serials)
    assert all(serial.startswith("urn:uuid:") for serial in serials)


@pytest.mark.parametrize("licence", ["MIT AND", "((", "see LICENSE", "GPL-2.0-only WITH nothing", "\u6771\u4eac"])
def test_a_licence_that_is_no_expression_is_a_name(licence: str) -> None:
    text = write_sbom("b", "1", CREATED, [], [Part("model", "m", "models/m", [("x", A)], licence)]).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    (component,) = json.loads(text)["components"]
    assert licence in json.dumps(component["licenses"], ensure_ascii=False)
