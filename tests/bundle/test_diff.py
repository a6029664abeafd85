from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.bundle.diff import Change, describe, diff
from nerkd_local.bundle.manifest import Manifest
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.refusals import BadSignature
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import main
from tests.bundle.samples import FILES, Keys, make_bundle

LATER = {
    "data/dev.txt": b"Other text.\n",
    "data/train.txt": b"More text.\n",
    "models/tiny/model.safetensors": FILES["models/tiny/model.safetensors"],
    "models/tiny/copy.safetensors": FILES["models/tiny/copy.safetensors"],
    "wheels/thing-1.1-py3-none-any.whl": b"a later wheel",
}


@pytest.fixture
def before(sender: Keys, tmp_path: Path) -> Manifest:
    return make_bundle(tmp_path / "before", sender).manifest


@pytest.fixture
def after(before: Manifest, sender: Keys, tmp_path: Path) -> Manifest:
    return make_bundle(tmp_path / "after", sender, LATER, sequence=2, earlier=before).manifest


def test_every_change_is_a_line_and_nothing_else_is(before: Manifest, after: Manifest) -> None:
    assert diff(before, after) == [
        Change("wheel", "thing", "up", "1.0", "1.1"),
        Change("data", "data/dev.txt", "changed", "66 B", "12 B"),
        Change("data", "data/train.txt", "added", None, "11 B"),
        Change("config", "configs/empty.yaml", "removed", "0 B", None),
    ]
    assert diff(before, before) == []


def test_the_other_way_round_everything_is_turned(before: Manifest, after: Manifest) -> None:
    turned = {"added": "removed", "removed": "added", "up": "down", "changed": "changed"}
    expected = [
        Change(each.kind, each.name, turned[each.how], each.after, each.before)  # type: ignore[arg-type]
        for each in diff(before, after)
    ]
    assert diff(after, before) == expected
    assert "install refuses it" in describe(after, before)


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("1.9", "1.10", "up"),
        ("1.0", "1.0.1", "up"),
        ("1.0rc1", "1.0", "up"),
        ("1.0a2", "1.0b1", "up"),
        ("1.0.dev3", "1.0", "up"),
        ("1.0", "1.0.post1", "up"),
        ("2.13.0", "2.13.0+cpu", "up"),
        ("2.13.0+cpu", "2.14.0", "up"),
        ("2024.1", "26.1", "down"),
        ("1.0", "1.0", "changed"),
    ],
)
def test_packages_go_up_and_down(sender: Keys, tmp_path: Path, old: str, new: str, how: str) -> None:
    manifests = [
        make_bundle(tmp_path / str(number), sender, {f"wheels/A_b.C-{version}-py3-none-any.whl": bytes([number])})
        for number, version in enumerate((old, new))
    ]
    (change,) = diff(manifests[0].manifest, manifests[1].manifest)
    assert (change.name, change.how) == ("a-b-c", how)


def test_a_package_of_the_same_version_with_other_bytes_stands_out(sender: Keys, tmp_path: Path) -> None:
    one, other = (
        make_bundle(tmp_path / name, sender, {"wheels/a-1-py3-none-any.whl": name.encode()}).manifest
        for name in ("one", "two")
    )
    assert "~ a 1, other bytes" in describe(one, other)


def test_the_verb_compares_folders_and_received_versions_by_the_pinned_key(
    before: Manifest,
    after: Manifest,
    sender: Keys,
    stranger: Keys,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = Root(tmp_path / "root")
    receive(tmp_path / "before", root, sender.public)
    assert main(["diff", before.version, str(tmp_path / "after"), "--root", str(root.path)]) == 0
    said = capsys.readouterr().out
    for expected in ("^ thing 1.0 -> 1.1", "+ data/train.txt 11 B", "- configs/empty.yaml", "36 B of that are new"):
        assert expected in said
    for short in ("1", before.version[:8]):
        assert main(["diff", short, str(tmp_path / "after"), "--root", str(root.path)]) == 0
        assert capsys.readouterr().out == said
    assert main(["diff", before.version, "nowhere", "--root", str(root.path)]) == 2
    assert before.version in capsys.readouterr().err
    make_bundle(tmp_path / "theirs", stranger)
    assert main(["diff", before.version, str(tmp_path / "theirs"), "--root", str(root.path)]) == BadSignature.exit_code
