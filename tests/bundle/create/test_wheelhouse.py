"""A wheel for each package of the lock, from where it is nearest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from nerkd_local.bundle.create import wheelhouse
from nerkd_local.bundle.create.building import Builder
from nerkd_local.bundle.create.lockfile import read_lock
from nerkd_local.bundle.create.wheelhouse import collect_wheels, requirements
from nerkd_local.bundle.manifest import Target
from nerkd_local.errors import InputError, NerkdError
from tests.bundle.create.packages import lock, project, source_archive, wheel
from tests.bundle.create.test_building import EPOCH, builder

TARGET = Target("linux", "x86_64", "2.28", "cp311", "cpu")


pytestmark = pytest.mark.usefixtures("this_pip")


class Shelf:
    """Packages as a registry has them: a pure one, one in several wheels, one as source only; and the toolkit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shelf"
        self.pure = wheel(self.folder, "pure")
        self.native = [
            wheel(self.folder, "native", tags=f"{python}-{python}-manylinux_2_{glibc}_{arch}")
            for python, glibc, arch in [
                ("cp311", 17, "x86_64"),
                ("cp311", 28, "x86_64"),
                ("cp311", 34, "x86_64"),
                ("cp312", 28, "x86_64"),
                ("cp311", 28, "aarch64"),
            ]
        ]
        self.source = source_archive(self.folder, "sourced")
        self.lock = lock(folder / "lock.txt", self.pure, *self.native, self.source)
        self.toolkit = project(folder / "checkout", "nerkd_local", "0.1")

    def collect(self, cache: Path, **more: Any) -> list[Any]:
        how: dict[str, Any] = {"cache": cache, "epoch": EPOCH, "build": ["Sourced"], **more}
        return collect_wheels(self.lock, self.lock, how.pop("target", TARGET), how.pop("toolkit", self.toolkit), **how)


@pytest.fixture
def shelf(tmp_path: Path, registry: Callable[[Path], None]) -> Shelf:
    made = Shelf(tmp_path)
    registry(made.folder)
    return made


def test_each_package_comes_once_in_the_wheel_that_suits_the_target_best(tmp_path: Path, shelf: Shelf) -> None:
    said: list[str] = []
    wheels = shelf.collect(tmp_path / "cache", say=said.append)
    assert [each.path.name for each in wheels] == [
        "native-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "nerkd_local-0.1-py3-none-any.whl",
        "pure-1.0-py3-none-any.whl",
        "sourced-1.0-py3-none-any.whl",
    ]
    assert any("this reaches the network" in line for line in said)
    pins = read_lock(_written(tmp_path / "requirements.txt", requirements(wheels)))
    for each, pin in zip(wheels, pins, strict=True):
        assert (pin.name, pin.version) == (each.name, each.version)
        assert pin.hashes == {hashlib.sha256(each.path.read_bytes()).hexdigest()}


def test_a_second_time_nothing_is_fetched_and_all_is_the_same(
    tmp_path: Path, shelf: Shelf, registry: Callable[[Path], None]
) -> None:
    first = shelf.collect(tmp_path / "cache")
    other = shelf.collect(tmp_path / "other-cache")
    assert [each.sha256 for each in other] == [each.sha256 for each in first]
    registry(tmp_path / "nothing")
    said: list[str] = []
    again = shelf.collect(tmp_path / "cache", say=said.append)
    assert again == first
    assert said[:1] == ["building the toolkit's wheel, twice"]
    assert [line.partition(":")[0] for line in said[1:]] == ["note"]  # it is no checkout of git's


def test_one_that_has_to_wait_for_another_says_so(tmp_path: Path, shelf: Shelf) -> None:
    (tmp_path / "cache").mkdir()
    other = FileLock(tmp_path / "cache" / "lock")
    other.acquire()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        other.release()

    assert len(shelf.collect(tmp_path / "cache", say=say)) == 4
    assert said[0].startswith("waiting: another process")


def test_what_was_damaged_in_the_cache_is_had_anew(tmp_path: Path, shelf: Shelf) -> None:
    first = shelf.collect(tmp_path / "cache")
    for each in first:
        each.path.write_bytes(b"damaged")
    assert shelf.collect(tmp_path / "cache") == first


def test_a_target_with_an_older_c_library_does_not_get_what_was_fetched_for_a_newer_one(
    tmp_path: Path, shelf: Shelf
) -> None:
    for glibc, taken in [("2.28", 28), ("2.17", 17), ("2.34", 34), ("2.28", 28)]:
        target = Target("linux", "x86_64", glibc, "cp311", "cpu")
        wheels = shelf.collect(tmp_path / "cache", target=target)
        assert wheels[0].path.name == f"native-1.0-cp311-cp311-manylinux_2_{taken}_x86_64.whl"


def test_ready_wheels_go_before_the_network(tmp_path: Path, shelf: Shelf, registry: Callable[[Path], None]) -> None:
    registry(tmp_path / "nothing")
    built = wheel(tmp_path / "ready", "nerkd_local", "0.2")
    sourced = wheel(tmp_path / "ready", "sourced")
    shelf.lock = lock(tmp_path / "lock.txt", shelf.pure, *shelf.native, shelf.source, sourced)
    said: list[str] = []
    wheels = shelf.collect(
        tmp_path / "cache", build=[], ready=[tmp_path / "ready", shelf.folder], toolkit=built, say=said.append
    )
    assert said == []
    assert {each.path for each in wheels} == {shelf.native[1], shelf.pure, sourced, built}


def test_what_cannot_be_had_ends_it_with_pips_words(
    tmp_path: Path, shelf: Shelf, registry: Callable[[Path], None]
) -> None:
    with pytest.raises(NerkdError, match=r"(?s)fetching wheels for x86_64, glibc 2\.28, cp311 failed.*sourced"):
        shelf.collect(tmp_path / "cache", build=[])
    target = Target("linux", "x86_64", "2.12", "cp311", "cpu")
    with pytest.raises(NerkdError, match=r"(?s)glibc 2\.12.*native"):
        shelf.collect(tmp_path / "cache", target=target)


def test_local_versions_are_looked_for_at_pytorchs_index_only_where_pips_own_places_lack_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = lock(tmp_path / "lock.txt", wheel(tmp_path, "pure"), wheel(tmp_path, "torch", "2.0+cpu"))
    asked: list[tuple[str, bool]] = []
    lacking = {"torch"}

    def download(self: Builder, pins: Any, how: list[str], into: Path, doing: str) -> None:
        elsewhere = wheelhouse.TORCH_INDEX in how
        asked.append((" ".join(pin.name for pin in pins), elsewhere))
        if {pin.name for pin in pins} & lacking and not elsewhere:
            raise NerkdError("not here")

    monkeypatch.setattr(Builder, "download", download)
    wheelhouse._fetch(builder(tmp_path), read_lock(pinned), TARGET, tmp_path)
    assert asked == [("pure", False), ("torch", False), ("torch", True)]
    lacking.add("pure")
    with pytest.raises(NerkdError, match="not here"):
        wheelhouse._fetch(builder(tmp_path), read_lock(pinned), TARGET, tmp_path)
    assert asked[3:] == [("pure", False)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"build": ["sourced", "unknown"]}, "`build` names unknown, which the lock does not have"),
        ({"ready": [Path("nowhere")]}, "nowhere: no such folder; `wheels` in the spec"),
        ({"toolkit": "pure"}, "pure comes twice: the lock must not have the toolkit itself"),
    ],
)
def test_a_spec_that_does_not_fit_its_lock(tmp_path: Path, shelf: Shelf, more: dict[str, Any], message: str) -> None:
    if more.get("toolkit") == "pure":
        more = {"toolkit": shelf.pure}
    with pytest.raises(InputError, match=message):
        shelf.collect(tmp_path / "cache", **more)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
