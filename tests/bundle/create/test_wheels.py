"""Which wheel the target gets, and what a wheel says of itself."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from nerkd_local.bundle.create.lockfile import read_lock
from nerkd_local.bundle.create.wheels import find_wheels, platforms, python_version, read_wheel, target_tags
from nerkd_local.bundle.manifest import Target
from nerkd_local.errors import InputError
from tests.bundle.create.packages import lock, wheel

TARGET = Target("linux", "x86_64", "2.17", "cp311", "cpu")


def test_a_target_takes_wheels_for_its_c_library_and_older_ones_the_newest_first() -> None:
    assert platforms(TARGET) == [
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_16_x86_64",
        "manylinux_2_15_x86_64",
        "manylinux_2_14_x86_64",
        "manylinux_2_13_x86_64",
        "manylinux_2_12_x86_64",
        "manylinux2010_x86_64",
        "manylinux_2_11_x86_64",
        "manylinux_2_10_x86_64",
        "manylinux_2_9_x86_64",
        "manylinux_2_8_x86_64",
        "manylinux_2_7_x86_64",
        "manylinux_2_6_x86_64",
        "manylinux_2_5_x86_64",
        "manylinux1_x86_64",
        "linux_x86_64",
    ]


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (["py3-none-any"], "py3-none-any"),
        (["py3-none-any", "cp311-cp311-manylinux_2_17_x86_64"], "cp311-cp311-manylinux_2_17_x86_64"),
        (["cp311-cp311-manylinux_2_18_x86_64"], None),  # the target's glibc is older
        (["cp312-cp312-manylinux_2_17_x86_64"], None),
        (["cp311-cp311-manylinux_2_17_aarch64"], None),
        (["cp311-cp311-win_amd64", "cp311-cp311-macosx_11_0_arm64"], None),
        (["cp38-abi3-manylinux2014_x86_64"], "cp38-abi3-manylinux2014_x86_64"),
        (["cp312-abi3-manylinux2014_x86_64"], None),
        (
            ["cp38-abi3-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_5_x86_64"],
            "cp311-cp311-manylinux_2_5_x86_64",  # its own ABI goes before a newer C library
        ),
        (
            ["cp311-cp311-manylinux_2_5_x86_64", "cp311-cp311-manylinux_2_12_x86_64.manylinux_2_28_x86_64"],
            "cp311-cp311-manylinux_2_12_x86_64.manylinux_2_28_x86_64",
        ),
    ],
)
def test_the_best_of_the_wheels_that_run_there_is_taken(tmp_path: Path, offered: list[str], taken: str | None) -> None:
    wheels = [wheel(tmp_path, "thing", tags=tags) for tags in offered]
    found = find_wheels(read_lock(lock(tmp_path / "lock.txt", *wheels)), [tmp_path], target_tags(TARGET))
    assert found == ({} if taken is None else {"thing": tmp_path / f"thing-1.0-{taken}.whl"})


def test_a_wheel_that_the_lock_does_not_know_is_passed_over(tmp_path: Path) -> None:
    good = wheel(tmp_path / "b", "thing")
    pins = read_lock(lock(tmp_path / "lock.txt", good))
    (tmp_path / "a").mkdir()
    damaged = tmp_path / "a" / good.name
    damaged.write_bytes(good.read_bytes()[:-1])
    (tmp_path / "a" / "not-a-wheel.whl").write_bytes(b"")
    better = wheel(tmp_path / "a", "thing", tags="cp311-cp311-manylinux2014_x86_64")  # the best, and not in the lock
    other = wheel(tmp_path / "a", "thing", "2.0")
    assert better.is_file()
    assert other.is_file()
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "none"]
    assert find_wheels(pins, folders, target_tags(TARGET)) == {"thing": good}


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("", None),
        ("License-Expression: MIT OR Apache-2.0\nLicense: other\n", "MIT OR Apache-2.0"),
        ("License: BSD 3-Clause\nClassifier: License :: OSI Approved :: BSD License\n", "BSD 3-Clause"),
        ("Classifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        ("Classifier: License :: OSI Approved\n", None),
        ("License: UNKNOWN\n", None),
        ("License: Copyright by many\n        Redistribution and use\n", None),
        ("License: The whole\n  text\nClassifier: License :: OSI Approved :: BSD License\n", "BSD License"),
        ("License: " + "long " * 30 + "\n", None),
    ],
)
def test_the_licence_is_what_the_metadata_says_and_nothing_where_it_says_nothing(
    tmp_path: Path, metadata: str, licence: str | None
) -> None:
    assert read_wheel(wheel(tmp_path, "thing", metadata=metadata)).licence == licence


def test_a_wheel_says_its_name_version_hash_and_room(tmp_path: Path) -> None:
    path = wheel(tmp_path, "some_thing", "1.0+local", files={"some_thing/big.bin": bytes(10_000)})
    found = read_wheel(path)
    assert (found.name, found.version) == ("some-thing", "1.0+local")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    # blocks of 4 KiB: three for big.bin, one each for the module, its bytecode and the three of dist-info; three
    # folders (the top, the package, dist-info), each with one for bytecode
    assert found.installed_bytes == (3 + 5 + 6) * 4096


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "thing-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK")
    with pytest.raises(InputError, match="is no wheel"):
        read_wheel(broken)
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("thing/__init__.py", "")
    with pytest.raises(InputError, match="is no wheel"):
        read_wheel(broken)
    with pytest.raises(InputError, match="is no wheel"):
        read_wheel(wheel(tmp_path, "thing").rename(tmp_path / "thing.whl"))


def test_python_is_named_by_its_abi() -> None:
    assert python_version(TARGET) == (3, 11)
    with pytest.raises(InputError, match="an ABI tag such as cp311"):
        python_version(Target("linux", "x86_64", "2.17", "py311", "cpu"))
