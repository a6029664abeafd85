"""GPUs that this machine has not got: what is asked of them, against what a process may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.engines.devices import Devices, check_devices, describe_cast, share_gpus
from nerkd_local.annotate.engines.vllm_inprocess import find_devices
from nerkd_local.annotate.settings import VllmSettings
from nerkd_local.errors import InputError
from nerkd_local.machine import visible_gpus

TURING = Devices(on_cpu=False, count=1, capability=(7, 5))
HOPPER = Devices(on_cpu=False, count=2, capability=(9, 0))


def settings(**values: Any) -> VllmSettings:
    return VllmSettings(model=Path("models/some"), **values)


@pytest.mark.parametrize(
    ("values", "devices", "environment", "problem"),
    [
        (
            {"tensor_parallel_size": 4},
            HOPPER,
            {"CUDA_VISIBLE_DEVICES": "2,3", "SLURM_JOB_ID": "8120", "SLURM_JOB_GPUS": "2,3,4,5"},
            "engine.tensor_parallel_size is 4, but 2 GPUs are visible (CUDA_VISIBLE_DEVICES=2,3, Slurm job 8120); "
            "lower it, or ask for 4 GPUs",
        ),
        (
            {"tensor_parallel_size": 2},
            TURING,
            {"CUDA_VISIBLE_DEVICES": "MIG-2f4a"},
            "engine.tensor_parallel_size is 2, but 1 GPU is visible (CUDA_VISIBLE_DEVICES=MIG-2f4a); "
            "lower it, or ask for 2 GPUs",
        ),
        (
            {"tensor_parallel_size": 2},
            TURING,
            {},
            "engine.tensor_parallel_size is 2, but 1 GPU is visible; lower it, or ask for 2 GPUs",
        ),
        (
            {},
            Devices(on_cpu=False, count=0),
            {"CUDA_VISIBLE_DEVICES": "", "SLURM_JOB_ID": "8120"},
            "no GPU is visible (CUDA_VISIBLE_DEVICES=(empty), Slurm job 8120), and this vLLM was built for GPUs; "
            "in a Slurm job, ask for one (--gres=gpu:1)",
        ),
        (
            {"tensor_parallel_size": 2},
            Devices(on_cpu=True, count=1),
            {"CUDA_VISIBLE_DEVICES": "0,1"},
            "engine.tensor_parallel_size is 2, but there is no GPU, and on the CPU each part of the model needs a NUMA "
            "node (here: 1); set it to 1",
        ),
        (
            {"dtype": "bfloat16"},
            TURING,
            {},
            "engine.dtype is bfloat16, which this GPU does not compute (compute capability 7.5, 8.0 is needed); with "
            "`auto` vLLM takes what fits the GPU and the model",
        ),
    ],
)
def test_what_cannot_be_served_is_one_line_that_names_both_sides(
    values: dict[str, Any], devices: Devices, environment: dict[str, str], problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_devices(settings(**values), devices, environment)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("values", "devices"),
    [
        ({"tensor_parallel_size": 2}, HOPPER),
        ({"tensor_parallel_size": 1, "dtype": "bfloat16"}, HOPPER),
        ({"dtype": "auto"}, TURING),
        ({"dtype": "float16"}, TURING),
        ({"dtype": "bfloat16"}, Devices(on_cpu=True, count=1)),
        ({"tensor_parallel_size": 2}, Devices(on_cpu=True, count=2)),
        ({"tensor_parallel_size": 8, "dtype": "bfloat16"}, Devices(on_cpu=False)),  # nothing is known: vLLM judges
    ],
)
def test_what_can_be_served_passes(values: dict[str, Any], devices: Devices) -> None:
    check_devices(settings(**values), devices, {"CUDA_VISIBLE_DEVICES": "0"})


def test_a_change_of_number_format_is_told_and_explained() -> None:
    assert describe_cast("bfloat16", "bfloat16", TURING) is None
    assert describe_cast(None, "bfloat16", HOPPER) is None
    assert describe_cast("bfloat16", "float16", TURING) == (
        "the model is stored in bfloat16 and computed in float16, as this GPU (compute capability 7.5) has no bfloat16"
    )
    on_cpu = Devices(on_cpu=True, count=1)
    assert describe_cast("float32", "bfloat16", on_cpu) == "the model is stored in float32 and computed in bfloat16"


class FakePlatform:
    """vLLM's view of a machine, as far as it is asked for."""

    def __init__(self, *, kind: str, gpus: int = 0, capability: Any = None) -> None:
        self.kind, self.gpus, self.capability = kind, gpus, capability

    def is_cpu(self) -> bool:
        return self.kind == "cpu"

    def is_unspecified(self) -> bool:
        return self.kind == "unspecified"

    def device_count(self) -> int:
        return self.gpus

    def get_device_capability(self) -> Any:
        if isinstance(self.capability, Exception):
            raise self.capability
        return self.capability


class FakeCapability:
    major, minor = 8, 9


def test_devices_are_what_vllm_sees_of_the_machine() -> None:
    assert find_devices(FakePlatform(kind="unspecified")) == Devices(on_cpu=False, count=0)
    assert find_devices(FakePlatform(kind="cuda")) == Devices(on_cpu=False, count=0)
    assert find_devices(FakePlatform(kind="cuda", gpus=2, capability=FakeCapability())) == Devices(False, 2, (8, 9))
    unknown = FakePlatform(kind="cuda", gpus=1, capability=OSError("the driver knows no such MIG slice"))
    assert find_devices(unknown) == Devices(on_cpu=False)
    found = find_devices(FakePlatform(kind="cpu"))
    assert found.on_cpu
    assert found.count is not None
    assert found.count >= 1


@pytest.mark.parametrize(
    ("granted", "nodes", "gpus"),
    [
        (None, 0, []),
        (None, 2, ["0", "1"]),
        ("2,3", 8, ["2", "3"]),
        (" 2, 3 ", 8, ["2", "3"]),
        ("GPU-8932f937,MIG-GPU-5c/1/0,MIG-2f4a", 0, ["GPU-8932f937", "MIG-GPU-5c/1/0", "MIG-2f4a"]),
        ("", 4, []),
        ("-1", 4, []),
        ("NoDevFiles", 4, []),
        ("1,-1,2", 4, ["1"]),  # as CUDA reads it
    ],
)
def test_visible_gpus_are_those_granted(granted: str | None, nodes: int, gpus: list[str]) -> None:
    environment = {"PATH": "/bin"} if granted is None else {"CUDA_VISIBLE_DEVICES": granted}
    assert visible_gpus(environment, nodes) == gpus


@pytest.mark.parametrize(
    ("engines", "group", "gpus", "shares"),
    [
        ("auto", 1, [], [None]),
        ("auto", 1, ["4"], [None]),
        ("auto", 1, ["4", "6", "7"], ["4", "6", "7"]),
        ("auto", 2, ["4", "6", "7"], [None]),
        ("auto", 2, ["0", "1", "2", "3", "4"], ["0,1", "2,3"]),
        ("auto", 4, ["0", "1"], [None]),  # too few: the engine says so
        (1, 1, ["0", "1"], [None]),
        (2, 1, ["MIG-a", "MIG-b", "MIG-c"], ["MIG-a", "MIG-b"]),
        (3, 1, [], [None, None, None]),  # on the CPU
    ],
)
def test_each_engine_has_gpus_of_its_own(engines: Any, group: int, gpus: list[str], shares: list[str | None]) -> None:
    chosen = settings(engines=engines, tensor_parallel_size=group)
    expected = [{} if share is None else {"CUDA_VISIBLE_DEVICES": share} for share in shares]
    assert share_gpus(chosen, gpus, {}) == expected


def test_more_engines_than_gpus_is_one_line() -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "0,1,2", "SLURM_JOB_ID": "8120"}
    with pytest.raises(InputError) as caught:
        share_gpus(settings(engines=2, tensor_parallel_size=2), ["0", "1", "2"], environment)
    assert str(caught.value) == (
        "engine.engines is 2, with 2 of the GPUs each (engine.tensor_parallel_size), but 3 GPUs are visible "
        "(CUDA_VISIBLE_DEVICES=0,1,2, Slurm job 8120); lower it, or leave it at auto"
    )
