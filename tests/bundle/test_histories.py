"""Any history of receiving, installing, switching and clearing away: what is promised of it holds at every point."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nerkd_local.bundle import install as install_module
from nerkd_local.bundle.activate import activate
from nerkd_local.bundle.create.volumes import Source
from nerkd_local.bundle.gc import gc
from nerkd_local.bundle.install import install
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.refusals import Incomplete, LowerSequence
from nerkd_local.bundle.rollback import before_of, rollback
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.verify import verify_received
from nerkd_local.errors import InputError
from tests.bundle.toolkit import contents, make_bundle, make_key

SEQUENCES = range(1, 6)
AFTER = {3: 2, 4: 3}
"""Which are deltas, and after which."""

sequences = st.sampled_from(SEQUENCES)


@pytest.fixture(scope="module", autouse=True)
def made(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Small bundles in one place, and installations without an environment, which no rule is about."""
    folder = tmp_path_factory.mktemp("histories")
    private, History.key = make_key(folder)
    for sequence in SEQUENCES:
        kept = {"requirements.txt", "data/same.txt", "wheels/pip-0.0-py3-none-any.whl"}
        files: dict[str, Source] = {path: source for path, source in contents(sequence).items() if path in kept}
        # each has one file of its own, and one in common with the next
        for name in (f"of-{sequence}", f"of-{sequence}-and-{sequence + 1}", f"of-{sequence - 1}-and-{sequence}"):
            files[f"data/{name}"] = Source(name.encode(), "data")
        earlier = History.manifests.get(AFTER.get(sequence, 0))
        path = folder / str(sequence)
        History.manifests[sequence] = make_bundle(path, private, sequence, files=files, earlier=earlier)
        History.folders[sequence] = path


@pytest.fixture(scope="module", autouse=True)
def quick() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(install_module, "make_environment", lambda *given, **more: None)
        patch.setattr(install_module, "run_self_test", lambda *given, **more: [])
        patch.setattr(install_module.os, "sync", lambda: None)
        yield


class History(RuleBasedStateMachine):
    """A model beside the folder: which versions are installed, which is active, which was highest."""

    key: ClassVar[Path]
    folders: ClassVar[dict[int, Path]] = {}
    manifests: ClassVar[dict[int, Manifest]] = {}

    @initialize()
    def begin(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="nerkd-history-"))
        self.root = Root(self.path / "root")
        self.installed: set[int] = set()
        self.active: int | None = None
        self.highest = 0

    def teardown(self) -> None:
        if hasattr(self, "path"):
            shutil.rmtree(self.path)

    def version(self, sequence: int) -> str:
        return self.manifests[sequence].version

    @rule(sequence=sequences)
    def take_in(self, sequence: int) -> None:
        try:
            receive(self.folders[sequence], self.root, self.key)
        except Incomplete:
            assert sequence in AFTER, "only a delta may lack something that its folder does not have"

    @rule(sequence=sequences, at_once=st.booleans())
    def put_in(self, sequence: int, at_once: bool) -> None:
        received = self.version(sequence) in self.root.received_versions()
        try:
            done = install(self.root, str(sequence), activate=at_once)
        except InputError:
            assert not received
            return
        except LowerSequence:
            assert sequence < self.highest
            return
        except Incomplete:
            assert sequence in AFTER
            assert sequence not in self.installed
            return
        assert received
        assert sequence >= self.highest
        assert done.new == (sequence not in self.installed)
        self.installed.add(sequence)
        if at_once:
            self.active, self.highest = sequence, max(self.highest, sequence)

    @rule(sequence=sequences)
    def switch(self, sequence: int) -> None:
        if sequence not in self.installed:
            with pytest.raises(InputError):
                activate(self.root, self.version(sequence))
            return
        activate(self.root, self.version(sequence))
        self.active, self.highest = sequence, max(self.highest, sequence)

    @rule()
    def go_back(self) -> None:
        before = None if self.active is None else before_of(self.root, self.version(self.active))
        if before is None or before not in self.root.installed_versions():
            with pytest.raises(InputError):
                rollback(self.root)
            return
        _, version = rollback(self.root)
        assert version == before
        self.active = next(each for each in SEQUENCES if self.version(each) == version)

    @rule(keep=st.integers(0, 2))
    def clear_away(self, keep: int) -> None:
        if not self.root.path.exists():
            return
        before = set(self.installed)
        needed = {each for each in SEQUENCES if each in before and self.version(each) in self._active_and_before()}
        gc(self.root, keep=keep)
        assert not gc(self.root, keep=keep)
        self.installed = {each for each in SEQUENCES if self.version(each) in self.root.installed_versions()}
        assert needed <= self.installed <= before
        assert len(self.installed) >= min(2 + keep, len(before))
        assert {each for each in before if each > self.highest} <= self.installed, "those wait"
        for version in self.root.installed_versions():
            verify_received(self.root, version)  # all its volumes are there, and good

    def _active_and_before(self) -> set[str | None]:
        if self.active is None:
            return set()
        return {self.version(self.active), before_of(self.root, self.version(self.active))}

    @invariant()
    def the_folder_says_what_the_model_says(self) -> None:
        if not hasattr(self, "root"):
            return
        expected = None if self.active is None else self.version(self.active)
        assert self.root.active() == expected
        assert self.root.installed_versions() == [self.version(each) for each in sorted(self.installed)]
        if self.active is not None:
            assert (self.root.current / f"data/of-{self.active}").read_text() == f"of-{self.active}"


History.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestHistories = pytest.mark.slow(History.TestCase)
