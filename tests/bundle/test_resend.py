from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerkd_local.bundle.manifest import read_manifest
from nerkd_local.bundle.receive import missing_volumes, receive
from nerkd_local.bundle.refusals import Corrupt, Incomplete
from nerkd_local.bundle.resend import resend
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import main
from nerkd_local.bundle.verify import verify_received
from nerkd_local.errors import InputError
from tests.bundle.samples import BESIDE, Keys, copied, tree


def names(folder: Path) -> list[str]:
    return [name for _, name, _ in read_manifest((folder / "bundle.json").read_bytes()).numbered()]


def test_a_medium_holds_what_the_list_names_and_what_is_beside_it(whole: Path, tmp_path: Path) -> None:
    manifest, numbers = resend(whole, "2-3 6 of 6", tmp_path / "medium")
    assert numbers == [2, 3, 6]
    wanted = {"bundle.json", "bundle.sig", *BESIDE, *(names(whole)[number - 1] for number in numbers)}
    assert tree(tmp_path / "medium") == {name: content for name, content in tree(whole).items() if name in wanted}
    assert manifest == read_manifest((whole / "bundle.json").read_bytes())


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lost=st.sets(st.integers(0, 5), min_size=1))
def test_the_printed_list_brings_exactly_what_is_missing(
    whole: Path, sender: Keys, tmp_path: Path, lost: set[int]
) -> None:
    for name in ("first", "second", "root"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    root = Root(tmp_path / "root")
    medium = copied(whole, tmp_path / "first")
    for number in lost:
        (medium / names(whole)[number]).unlink()
    with pytest.raises(Incomplete) as caught:
        receive(medium, root, sender.public)
    printed = str(caught.value).partition('resend BUNDLE "')[2].partition('"')[0]
    manifest, numbers = resend(whole, printed, tmp_path / "second")
    assert numbers == missing_volumes(root, manifest) == [number + 1 for number in sorted(lost)]
    receive(tmp_path / "second", root)
    verify_received(root, manifest.version)


def test_an_interrupted_call_goes_on_with_the_same_command(whole: Path, tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    resend(whole, "1-6", medium)
    expected = tree(medium)
    good, spoilt, gone, *_ = names(whole)
    before = (medium / good).stat().st_mtime_ns
    (medium / spoilt).write_bytes(b"half")
    (medium / gone).rename(medium / f"{gone}.part")
    (medium / "bundle.json").unlink()
    resend(whole, "1-6", medium)
    assert tree(medium) == expected
    assert (medium / good).stat().st_mtime_ns == before


def test_a_folder_with_something_else_is_not_written_to(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear")
    with pytest.raises(InputError, match=r"diary\.txt"):
        resend(whole, "1", tmp_path)
    resend(whole, "1-3", tmp_path / "medium")
    with pytest.raises(InputError, match="something else"):
        resend(whole, "1", tmp_path / "medium")


def test_a_folder_that_is_no_bundle_and_a_list_of_another_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no bundle"):
        resend(tmp_path, "1", tmp_path / "medium")
    with pytest.raises(InputError, match="of another"):
        resend(whole, "1 of 7", tmp_path / "medium")
    assert not (tmp_path / "medium").exists()


def test_volumes_that_the_sender_has_spoilt_or_lost_are_not_sent(whole: Path, tmp_path: Path) -> None:
    bundle = copied(whole, tmp_path / "bundle")
    (bundle / names(whole)[0]).write_bytes(b"\1")
    with pytest.raises(Corrupt, match="volume 1"):
        resend(bundle, "1-2", tmp_path / "medium")
    assert names(whole)[0] not in tree(tmp_path / "medium")
    (bundle / names(whole)[0]).unlink()
    (bundle / "START-HERE.txt").unlink()
    with pytest.raises(Incomplete, match="1 of 6") as caught:
        resend(bundle, "1-2", tmp_path / "second")
    assert "START-HERE.txt" in str(caught.value)
    assert not (tmp_path / "second" / "bundle.json").exists()
    (bundle / names(whole)[0]).symlink_to(os.devnull)
    with pytest.raises(Corrupt, match="symbolic link"):
        resend(bundle, "1-2", tmp_path / "second")


def test_the_verb_says_what_to_do_over_there(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resend", str(whole), "1 3 of 6", str(tmp_path / "medium")]) == 0
    said = capsys.readouterr().out
    assert "2 volumes" in said
    assert "nerkd-bundle receive" in said


@pytest.mark.parametrize("link", ["objects", "bundle.json", "bundle.sig.part"])
def test_nothing_is_written_through_a_link_that_the_medium_came_back_with(
    whole: Path, tmp_path: Path, link: str
) -> None:
    medium, elsewhere = tmp_path / "medium", tmp_path / "elsewhere"
    medium.mkdir()
    elsewhere.mkdir()
    (medium / link).symlink_to(elsewhere)
    with pytest.raises(InputError, match="something else"):
        resend(whole, "1", medium)
    assert tree(elsewhere) == {}
    assert sorted(path.name for path in medium.iterdir()) == [link]
