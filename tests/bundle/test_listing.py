from __future__ import annotations

import json

import pytest

from nerkd_local.bundle.install import install
from nerkd_local.bundle.listing import list_versions
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import main
from tests.bundle.conftest import Bundles


def statuses(root: Root) -> dict[str, str]:
    return {row.version: row.status for row in list_versions(root)}


def test_each_version_is_said_to_be_what_it_is(bundles: Bundles, root: Root) -> None:
    assert not list_versions(root)
    bundles.receive(root, 1, 2, 3)
    one, two, three = (bundles.version(each) for each in (1, 2, 3))
    assert statuses(root) == {one: "received", two: "received", three: "received"}
    install(root, "1")
    install(root, "2")
    assert statuses(root) == {one: "before", two: "active", three: "received"}
    root.version(three).mkdir()
    assert statuses(root)[three] == "unfinished"
    root.version(three).rmdir()
    first = next(each for each in bundles.manifests[3].objects if each.carried)
    (root.path / first.volume_name(0)).unlink()
    assert statuses(root)[three] == "incomplete"


def test_one_that_cannot_be_read_does_not_hide_the_others(
    bundles: Bundles, root: Root, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles.receive(root, 1, 2)
    (root.bundle(bundles.version(1)) / "bundle.sig").write_bytes(b"x" * 64)
    assert statuses(root) == {bundles.version(1): "unreadable", bundles.version(2): "received"}
    assert main(["list", "--root", str(root.path)]) == 0
    out = capsys.readouterr().out
    assert "not signed by the key" in out
    assert bundles.manifests[2].root_hash in out


def test_the_command_names_what_two_people_compare(
    bundles: Bundles, root: Root, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--root", str(root.path)]) == 2
    bundles.receive(root, 2)
    install(root)
    capsys.readouterr()
    assert main(["list", "--root", str(root.path)]) == 0
    out = capsys.readouterr().out
    assert f"{bundles.version(2)}  active" in out
    assert f"root hash {bundles.manifests[2].root_hash}" in out
    assert main(["list", "--json", "--root", str(root.path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["sequence"] == 2
    assert row["installed"].endswith("Z")
    assert row["problem"] is None
