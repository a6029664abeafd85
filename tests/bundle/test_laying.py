from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.bundle.laying import copied_bytes, lay_out
from nerkd_local.bundle.refusals import Corrupt
from nerkd_local.bundle.root import Root
from tests.bundle.conftest import Bundles


def test_what_has_to_be_copied_is_what_is_in_several_volumes(
    bundles: Bundles, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.receive(root, 1)
    manifest = bundles.manifests[1]
    several = sum(file.size for file in manifest.files if file.size > 2_000)
    assert 0 < several < sum(file.size for file in manifest.files)
    assert copied_bytes(root, manifest) == several

    def no_links(*given: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    assert copied_bytes(root, manifest) == sum(file.size for file in manifest.files)
    assert not list(root.path.glob(".link*")), "what it tried with is gone"


def test_a_content_that_changed_after_it_was_checked_is_not_laid_out(
    bundles: Bundles, root: Root, tmp_path: Path
) -> None:
    bundles.receive(root, 1)
    manifest = bundles.manifests[1]
    (file,) = (file for file in manifest.files if file.path == "data/other.txt")
    last = root.path / manifest.by_hash[file.sha256].volume_name(2)
    last.chmod(0o644)
    last.write_bytes(last.read_bytes()[:-1] + b"?")
    folder = tmp_path / "version"
    folder.mkdir()
    with pytest.raises(Corrupt, match=file.sha256):
        lay_out(root, manifest, folder)


def test_every_byte_is_told_once(bundles: Bundles, root: Root, tmp_path: Path) -> None:
    bundles.receive(root, 1)
    folder, told = tmp_path / "version", []
    folder.mkdir()
    lay_out(root, bundles.manifests[1], folder, told.append)
    assert sum(told) == sum(file.size for file in bundles.manifests[1].files)
