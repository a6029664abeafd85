from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.root import Root
from tests.bundle import samples
from tests.bundle.samples import Keys
from tests.bundle.toolkit import make_bundle, make_key


class Bundles(NamedTuple):
    """Fake bundles with the sequences 1, 2 and 3; the last is a delta after the second."""

    folder: Path
    private: Path
    public: Path
    manifests: dict[int, Manifest]

    def path(self, sequence: int) -> Path:
        return self.folder / f"bundle-{sequence}"

    def receive(self, root: Root, *sequences: int) -> None:
        for sequence in sequences:
            receive(self.path(sequence), root, self.public)

    def version(self, sequence: int) -> str:
        return self.manifests[sequence].version


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    folder = tmp_path_factory.mktemp("bundles")
    private, public = make_key(folder)
    manifests: dict[int, Manifest] = {}
    for sequence in (1, 2, 3):
        earlier = manifests[2] if sequence == 3 else None
        manifests[sequence] = make_bundle(folder / f"bundle-{sequence}", private, sequence, earlier=earlier)
    assert any(not each.carried for each in manifests[3].objects)
    return Bundles(folder, private, public, manifests)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "root")


@pytest.fixture(scope="session")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The sender's keys."""
    return Keys(tmp_path_factory.mktemp("sender"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Somebody else's keys."""
    return Keys(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, sender: Keys) -> Path:
    """A bundle of some bytes as it was sent; never changed."""
    return samples.make_bundle(tmp_path_factory.mktemp("sent") / "bundle", sender).folder
