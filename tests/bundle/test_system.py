from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle import system as module
from nerkd_local.bundle.manifest import Target
from nerkd_local.bundle.refusals import WrongPlatform
from nerkd_local.bundle.system import (
    System,
    at_least,
    dotted,
    examine,
    mismatches,
    read_driver,
    read_gpus,
    require_target,
    this_python,
)
from nerkd_local.errors import InputError

HERE = System(Path("/python"), "linux", "x86_64", "2.31", "cp311", "3.11.9", venv=True)
WITH_GPU = replace(HERE, driver="550.54.14", capabilities=("7.5", "9.0"))
CPU = Target("linux", "x86_64", "2.28", "cp311", "cpu")
CUDA = replace(CPU, accelerator="cuda", cuda="12.9", driver="550.54", capability="8.0")

versions = st.lists(st.integers(0, 999), min_size=1, max_size=4)


def text(numbers: list[int]) -> str:
    return ".".join(map(str, numbers))


def test_the_python_that_runs_this_is_described_as_it_is() -> None:
    found = examine(Path(sys.executable))
    assert found.arch == platform.machine()
    assert found.python == f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert found.version == platform.python_version()
    assert f"glibc {found.glibc}" == os.confstr("CS_GNU_LIBC_VERSION")
    assert found.venv


def test_the_python_of_no_environment_is_the_default() -> None:
    code = "import sys; print(sys.prefix == sys.base_prefix)"
    done = subprocess.run([this_python(), "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "True"


def test_what_fits_is_accepted() -> None:
    require_target(CPU, HERE)
    require_target(replace(CPU, glibc="2.31"), HERE)
    require_target(CUDA, WITH_GPU)
    require_target(CPU, WITH_GPU)


@pytest.mark.parametrize(
    ("target", "system", "pair"),
    [
        (replace(CPU, arch="aarch64"), HERE, ("architecture", "aarch64", "x86_64")),
        (replace(CPU, os="darwin"), HERE, ("operating system", "darwin", "linux")),
        (replace(CPU, python="cp312"), HERE, ("Python", "cp312", "cp311")),
        (replace(CPU, python="cp311t"), HERE, ("Python", "cp311t", "cp311")),
        (replace(CPU, glibc="2.34"), HERE, ("C library", "glibc 2.34 or later", "glibc 2.31")),
        # as numbers, not as text
        (CPU, replace(HERE, glibc="2.9"), ("C library", "glibc 2.28 or later", "glibc 2.9")),
        (CPU, replace(HERE, glibc=None), ("C library", "glibc 2.28 or later", "glibc none")),
        (CUDA, HERE, ("NVIDIA driver", "550.54", "none")),
        (CUDA, replace(WITH_GPU, driver="535.288.1"), ("NVIDIA driver", "550.54 or later", "535.288.1")),
        (CUDA, replace(WITH_GPU, capabilities=("7.5",)), ("GPU", "compute capability 8.0 or higher", "7.5")),
    ],
)
def test_what_does_not_fit_is_named(target: Target, system: System, pair: tuple[str, str, str]) -> None:
    assert mismatches(target, system) == [pair]
    with pytest.raises(WrongPlatform, match=pair[0]) as caught:
        require_target(target, system)
    assert pair[1] in str(caught.value.expected)
    assert pair[2] in str(caught.value.found)


def test_everything_that_does_not_fit_is_named_at_once() -> None:
    target = replace(CUDA, arch="aarch64", glibc="2.39", python="cp313")
    names = [name for name, _, _ in mismatches(target, HERE)]
    assert names == ["architecture", "Python", "C library", "NVIDIA driver"]


def test_a_gpu_whose_capability_nobody_tells_is_not_refused_for_it() -> None:
    require_target(CUDA, replace(WITH_GPU, capabilities=None))


def test_nothing_is_asked_about_a_gpu_elsewhere() -> None:
    require_target(CUDA, HERE, accelerator_elsewhere=True)
    with pytest.raises(WrongPlatform, match="architecture"):
        require_target(replace(CUDA, arch="aarch64"), HERE, accelerator_elsewhere=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"python": "cp312"}, "--python PATH of a Python 3.12"), ({"arch": "aarch64"}, "ask the sender")],
)
def test_the_next_step_is_the_one_that_helps(changes: dict[str, str], said: str) -> None:
    with pytest.raises(WrongPlatform, match=said):
        require_target(replace(CPU, **changes), HERE)  # type: ignore[arg-type]
    with pytest.raises(WrongPlatform, match="--accelerator-elsewhere"):
        require_target(CUDA, HERE)


def test_a_python_that_makes_no_environments_is_not_another_platform() -> None:
    with pytest.raises(InputError, match="python3-venv"):
        require_target(CPU, replace(HERE, venv=False))


@given(versions, versions)
def test_versions_are_compared_number_by_number(first: list[int], second: list[int]) -> None:
    assert at_least(text(first), text(first))
    padded = [[*each, *[0] * (4 - len(each))] for each in (first, second)]
    assert at_least(text(first), text(second)) == (padded[0] >= padded[1])


@pytest.mark.parametrize(
    ("said", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
            "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n",
            "535.104.05",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (u@h)  Thu Feb 22\n",
            "550.54.14",
        ),
        ("", None),
    ],
)
def test_the_kernel_modules_own_words_are_read(said: str, version: str | None) -> None:
    assert read_driver(said) == version


def test_the_answers_of_nvidia_smi_are_read() -> None:
    assert read_gpus("550.54.14, 9.0\n550.54.14, 7.5\n") == [("550.54.14", "9.0"), ("550.54.14", "7.5")]
    assert read_gpus("No devices were found\n") == []
    assert read_gpus("550.54.14, [N/A]\n") == []


def test_a_gpu_is_found_by_the_program_of_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DRIVER_FILE", tmp_path / "none")
    python = Path(sys.executable)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '550.54.14, 9.0'\necho '550.54.14, 7.5'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = examine(python)
    assert (found.driver, found.capabilities) == ("550.54.14", ("7.5", "9.0"))
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    found = examine(python)
    assert (found.driver, found.capabilities) == (None, None)


@pytest.mark.parametrize(
    ("abi", "said"),
    [("cp311", "Python 3.11"), ("cp313t", "Python 3.13 (free-threaded)"), ("pypy311", "pypy311")],
)
def test_an_abi_tag_as_people_say_it(abi: str, said: str) -> None:
    assert dotted(abi) == said
