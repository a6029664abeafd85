"""The harness of 10,000 mutations (scripts/reliability/bundle_mutations.py), some hundred of them, and whether it sees
what it is there for.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from nerkd_local.bundle import receive, verify
from nerkd_local.bundle.folder import Folder
from nerkd_local.bundle.hashing import hash_handle

SCRIPT = Path(__file__).parents[2] / "scripts" / "reliability" / "bundle_mutations.py"


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    spec = spec_from_file_location("bundle_mutations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["bundle_mutations"] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_no_mutation_is_accepted(harness: ModuleType) -> None:
    outcome = harness.mutate(6 * len(harness.MUTATIONS), seed=1)
    assert outcome.accepted == []
    assert set(outcome.codes) == set(harness.MUTATIONS)
    assert {code for codes in outcome.codes.values() for code in codes} == {10, 11, 12}


@pytest.mark.parametrize(
    ("module", "check", "instead"),
    [
        (verify, "check_names", lambda folder, manifest: []),
        (receive, "check_file", None),
    ],
)
def test_the_harness_sees_a_check_that_is_gone(
    harness: ModuleType, monkeypatch: pytest.MonkeyPatch, module: ModuleType, check: str, instead: object
) -> None:
    if instead is None:

        def instead(folder: Folder, name: str, wanted: object, **options: object) -> None:
            """Copies without looking."""
            with folder.open(name) as handle:
                hash_handle(handle, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, check, instead)
    monkeypatch.setattr(harness, "MUTATIONS", {name: harness.MUTATIONS[name] for name in ("add", "flip")})
    assert harness.mutate(20, seed=1).accepted
