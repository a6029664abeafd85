from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerkd_local.bundle import install as install_module
from nerkd_local.bundle.activate import activate
from nerkd_local.bundle.gc import gc
from nerkd_local.bundle.install import install
from nerkd_local.bundle.refusals import BadSignature
from nerkd_local.bundle.rollback import rollback
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import main
from nerkd_local.bundle.verify import verify_received
from nerkd_local.errors import InputError
from tests.bundle.conftest import Bundles


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installations without an environment: what is kept does not depend on it."""
    monkeypatch.setattr(install_module, "make_environment", lambda *given, **more: None)
    monkeypatch.setattr(install_module, "run_self_test", lambda *given, **more: [])


@pytest.fixture
def three(bundles: Bundles, root: Root, quick: None) -> Root:
    bundles.receive(root, 1, 2, 3)
    for sequence in "123":
        install(root, sequence)
    return root


def volumes(root: Root) -> set[str]:
    return {path.name for path in root.objects.iterdir()}


def everything(root: Root) -> set[Path]:
    return set(root.path.rglob("*"))


def test_the_active_version_and_the_one_before_stay(bundles: Bundles, three: Root) -> None:
    removed = gc(three)
    assert three.installed_versions() == [bundles.version(2), bundles.version(3)]
    assert three.received_versions() == [bundles.version(2), bundles.version(3)]
    assert {each.what.split()[0] for each in removed} == {"version", "manifest", "volume"}
    for version in three.installed_versions():
        verify_received(three, version)
    assert rollback(three) == (bundles.version(3), bundles.version(2))


def test_the_one_before_stays_and_not_a_newer_one_that_never_was(bundles: Bundles, root: Root, quick: None) -> None:
    bundles.receive(root, 1, 2, 3)
    install(root, "1")
    install(root, "2", activate=False)
    install(root, "3")
    gc(root)
    assert root.installed_versions() == [bundles.version(1), bundles.version(3)]
    assert rollback(root) == (bundles.version(3), bundles.version(1))


def test_volumes_that_a_kept_delta_needs_stay(bundles: Bundles, three: Root) -> None:
    """The third is a delta after the second: with both gone but the third, what they share stays."""
    three.before(bundles.version(3)).unlink()
    three.installed(bundles.version(2)).unlink()
    three.installed(bundles.version(1)).unlink()
    gc(three)
    assert three.received_versions() == [bundles.version(3)]
    verify_received(three, bundles.version(3))
    needed = {
        each.volume_name(number).removeprefix("objects/")
        for each in bundles.manifests[3].objects
        for number in range(len(each.volumes))
    }
    assert volumes(three) == needed


def test_more_are_kept_on_demand(bundles: Bundles, three: Root) -> None:
    gc(three, keep=1)
    assert three.installed_versions() == [bundles.version(each) for each in (1, 2, 3)]
    with pytest.raises(InputError, match="--keep -1"):
        gc(three, keep=-1)


def test_two_are_kept_where_nothing_was_active_before(bundles: Bundles, three: Root) -> None:
    rollback(three)
    rollback(three)
    assert three.active() == bundles.version(1)
    gc(three)
    assert three.installed_versions() == [bundles.version(1), bundles.version(3)]


def test_a_dry_run_tells_all_and_removes_nothing(bundles: Bundles, three: Root) -> None:
    before = everything(three)
    planned = gc(three, dry_run=True)
    assert everything(three) == before
    assert gc(three) == planned
    assert not gc(three), "a second time there is nothing left"


def test_the_bytes_it_names_are_the_bytes_it_gives_back(bundles: Bundles, three: Root) -> None:
    def used() -> int:
        files = {path.stat().st_ino: path.stat().st_size for path in everything(three) if path.is_file()}
        return sum(files.values())

    before = used()
    removed = gc(three)
    assert before - used() == sum(each.size for each in removed) > 0


def test_what_waits_to_be_installed_or_activated_stays(bundles: Bundles, root: Root, quick: None) -> None:
    bundles.receive(root, 1, 2, 3)
    install(root, "1")
    install(root, "2", activate=False)
    assert not gc(root)
    assert root.installed_versions() == [bundles.version(1), bundles.version(2)]
    install(root, "3")
    assert root.active() == bundles.version(3)


def test_what_was_received_and_can_never_be_installed_goes(bundles: Bundles, root: Root, quick: None) -> None:
    bundles.receive(root, 1, 2)
    install(root, "2")
    gc(root)
    assert root.received_versions() == [bundles.version(2)]


def test_where_nothing_is_active_everything_whole_stays(bundles: Bundles, root: Root, quick: None) -> None:
    bundles.receive(root, 1, 2)
    install(root, "1", activate=False)
    assert not gc(root)


def test_unfinished_versions_and_half_volumes_go(bundles: Bundles, three: Root) -> None:
    unfinished = three.version("000009-0123456789ab")
    (unfinished / "env").mkdir(parents=True)
    (three.path / "versions" / ".hidden.part").mkdir()
    (three.objects / f"{'f' * 64}.000.part").write_bytes(b"half of it")
    (three.path / "bundles" / ".000009-0123456789ab.part").mkdir()
    gc(three, keep=9)
    assert not unfinished.exists()
    assert not [path for path in everything(three) if path.name.endswith(".part")]
    assert len(three.installed_versions()) == 3


def test_a_kept_bundle_that_cannot_be_read_stops_it(bundles: Bundles, three: Root) -> None:
    manifest = three.bundle(bundles.version(2)) / "bundle.json"
    content = json.loads(manifest.read_bytes())
    content["objects"] = []
    manifest.write_text(json.dumps(content))
    before = everything(three)
    with pytest.raises(BadSignature):
        gc(three)
    assert everything(three) == before, "its volumes would have gone"


def test_what_it_removes_is_no_version_before_it_is_gone(
    bundles: Bundles, three: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nerkd_local.bundle import steps

    seen = []
    monkeypatch.setattr(steps, "reached", lambda step: seen.append((step, three.installed_versions())))
    gc(three)
    (installed,) = [found for step, found in seen if step == f"{bundles.version(1)} is no version any more"][:1]
    assert bundles.version(1) not in installed


def test_an_older_version_that_somebody_chose_stays_with_the_one_it_was_chosen_over(
    bundles: Bundles, three: Root
) -> None:
    activate(three, "1")
    gc(three)
    assert three.installed_versions() == [bundles.version(1), bundles.version(3)]


def test_the_command_sums_up(bundles: Bundles, three: Root, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--dry-run", "--root", str(three.path)]) == 0
    assert "would be removed; nothing was" in capsys.readouterr().out
    assert main(["gc", "--root", str(three.path)]) == 0
    out = capsys.readouterr().out
    assert f"version {bundles.version(1)}" in out
    assert f"kept: {bundles.version(2)}, {bundles.version(3)}" in out
    assert main(["gc", "--root", str(three.path)]) == 0
    assert "there is nothing to remove" in capsys.readouterr().out
    assert main(["gc", "--root", str(three.path / "nowhere")]) == 2
