from __future__ import annotations

import os
from pathlib import Path

import pytest

from nerkd_local.doctor import system


def lacks(*names: str) -> object:
    def load(name: str) -> None:
        if name in names:
            raise OSError(f"{name}: cannot open shared object file")

    return load


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 10, 14), "fail"), ((3, 11, 0), "ok"), ((3, 13, 1), "ok"), ((2, 7, 18), "fail")],
)
def test_python_is_new_enough(version: tuple[int, ...], status: str) -> None:
    assert system.python(version).status == status


def test_a_python_without_a_module_names_what_to_install() -> None:
    def load(name: str) -> None:
        if name == "lzma":
            raise ImportError(name)

    found = system.python_modules(load)
    assert (found.status, found.seen) == ("fail", "this Python was built without lzma")
    assert "liblzma-dev" in str(found.fix)
    assert system.python_modules().status == "ok"


@pytest.mark.parametrize(
    ("environment", "in_environment", "status"),
    [
        ({}, True, "ok"),
        ({}, False, "warn"),
        ({"PYTHONPATH": "/opt/other"}, True, "warn"),
        ({"PYTHONPATH": ""}, True, "ok"),
    ],
)
def test_packages_come_from_the_environment_alone(
    environment: dict[str, str], in_environment: bool, status: str
) -> None:
    assert system.isolation(environment, in_environment=in_environment).status == status


@pytest.mark.parametrize(
    ("found", "needed", "status"),
    [
        ("glibc 2.36", [((2, 28), "torch"), ((2, 34), "cryptography")], "ok"),
        ("glibc 2.31", [((2, 28), "torch"), ((2, 34), "cryptography")], "fail"),
        ("glibc 2.9", [((2, 28), "torch")], "fail"),  # numbers, not text
        ("glibc 2.36", [], "ok"),
        ("", [], "fail"),
    ],
)
def test_glibc_is_as_new_as_the_packages_want(
    found: str, needed: list[tuple[tuple[int, int], str]], status: str
) -> None:
    finding = system.glibc(found, needed)
    assert finding.status == status
    if needed and found:
        assert f"{max(needed)[1]} wants" in finding.seen


def test_this_systems_glibc_runs_what_is_installed() -> None:
    assert system.glibc().status == "ok"


@pytest.mark.parametrize(
    ("wheel", "oldest"),
    [
        ("Tag: cp311-cp311-manylinux_2_28_x86_64\n", (2, 28)),
        ("Tag: cp311-cp311-manylinux_2_17_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n", (2, 17)),
        ("Tag: cp311-abi3-manylinux_2_34_x86_64\nTag: cp311-abi3-manylinux_2_28_x86_64\n", (2, 28)),
        ("Tag: cp39-abi3-manylinux1_x86_64\n", (2, 5)),
        ("Tag: py3-none-any\n", None),
        ("", None),
    ],
)
def test_a_wheels_tags_tell_the_oldest_glibc_it_runs_on(wheel: str, oldest: tuple[int, int] | None) -> None:
    assert system.wheel_glibc(wheel) == oldest


def test_a_missing_runtime_names_its_package() -> None:
    found = system.runtime_libraries(lacks("libstdc++.so.6"))  # type: ignore[arg-type]
    assert found.status == "fail"
    assert found.fix == "apt-get install libstdc++6"
    assert system.runtime_libraries().status == "ok"
    # what vLLM's CPU build alone is linked to is asked for where that is installed
    without = lacks("libnuma.so.1")
    assert system.runtime_libraries(without, vllm_on_cpu=True).fix == "apt-get install libnuma1"  # type: ignore[arg-type]
    assert system.runtime_libraries(without, vllm_on_cpu=False).status == "ok"  # type: ignore[arg-type]


def test_a_compiler_is_needed_with_a_gpu_only(tmp_path: Path) -> None:
    def none(name: str) -> None:
        return None

    assert system.compiler(gpus=False, which=none, headers=tmp_path).status == "ok"
    without = system.compiler(gpus=True, which=none, headers=tmp_path)
    assert without.status == "warn"
    assert "no C compiler and no Python.h" in without.seen
    (tmp_path / "Python.h").touch()
    only = system.compiler(gpus=True, which=none, headers=tmp_path)
    assert "Python.h" not in only.seen
    assert system.compiler(gpus=True, which=lambda name: f"/usr/bin/{name}", headers=tmp_path).status == "ok"


@pytest.mark.parametrize(("late_s", "status"), [(60.0, "ok"), (-60.0, "warn"), (-10 * 86400.0, "fail")])
def test_a_clock_before_the_installation_is_wrong(tmp_path: Path, late_s: float, status: str) -> None:
    written = tmp_path / "installed.json"
    written.touch()
    os.utime(written, (1_700_000_000, 1_700_000_000))
    assert system.clock(1_700_000_000 + late_s, [written]).status == status


def test_this_machines_clock_is_after_its_installation() -> None:
    assert system.clock().status == "ok"
