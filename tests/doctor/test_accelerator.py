from __future__ import annotations

import pytest

from nerkd_local.doctor.accelerator import Card, Torch, accelerators, driver_version, look
from nerkd_local.doctor.finding import Finding

H200 = Card("NVIDIA H200", (9, 0), 139 * 2**30, 138 * 2**30)
CODE = ("sm_75", "sm_80", "sm_90", "compute_90")
CUDA = Torch("2.13.0", "13.0", CODE, (H200,), "2.28.3")
NEW = (580, 65, 6)


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    assert len({each.check for each in findings}) == len(findings)
    return {each.check: each for each in findings}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", (550, 54, 15)),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs)\n", (580, 65, 6)),
        ("GCC version:  gcc version 12.2.0\n", None),
        ("", None),
    ],
)
def test_the_driver_says_its_version(text: str, version: tuple[int, ...] | None) -> None:
    assert driver_version(text) == version


@pytest.mark.parametrize(
    ("cuda", "driver", "status"),
    [
        ("13.0", (580, 65, 6), "ok"),
        ("13.0", (570, 124, 6), "fail"),
        ("12.9", (570, 124, 6), "ok"),
        ("12.9", (525, 60), "ok"),
        ("12.9", (525, 9), "fail"),  # numbers, not text
        ("14.0", (600, 1), "unknown"),
        ("13.0", None, "fail"),
    ],
)
def test_the_driver_is_new_enough_for_torchs_cuda(cuda: str, driver: tuple[int, ...] | None, status: str) -> None:
    found = by_check(accelerators(Torch("2.13.0", cuda, CODE, (H200,), "2.28"), 1, driver, []))
    assert found["driver"].status == status


@pytest.mark.parametrize(
    ("capability", "architectures", "status"),
    [
        ((9, 0), CODE, "ok"),
        ((8, 9), CODE, "ok"),  # sm_80 runs on 8.9
        ((12, 0), CODE, "ok"),  # from PTX
        ((12, 0), ("sm_80", "sm_90"), "fail"),
        ((6, 1), CODE, "fail"),
        ((7, 5), CODE, "warn"),  # no bfloat16
        ((9, 0), ("sm_90a",), "ok"),
        ((10, 3), ("sm_100",), "ok"),
    ],
)
def test_torch_has_code_for_the_card(capability: tuple[int, int], architectures: tuple[str, ...], status: str) -> None:
    torch = Torch("2.13.0", "13.0", architectures, (Card("card", capability, 2**34),), "2.28")
    assert by_check(accelerators(torch, 1, NEW, []))["cuda:0"].status == status


def test_a_card_that_others_use_is_said() -> None:
    busy = Card("NVIDIA H200", (9, 0), 100 * 2**30, 10 * 2**30)
    found = by_check(accelerators(Torch("2.13.0", "13.0", CODE, (busy,), "2.28"), 1, NEW, []))["cuda:0"]
    assert found.status == "warn"
    assert "10 GiB are free" in found.seen


def test_a_gpu_that_torch_was_not_built_for_is_said() -> None:
    found = by_check(accelerators(Torch("2.13.0+cpu", None), 2, NEW, ["avx512f"]))
    assert found["devices"].status == "warn"
    assert "--cuda" in str(found["devices"].fix)


def test_a_gpu_that_cannot_be_used_fails_and_says_why() -> None:
    torch = Torch("2.13.0", "13.0", trouble="CUDA driver version is insufficient")
    found = by_check(accelerators(torch, 1, NEW, []))["devices"]
    assert found.status == "fail"
    assert "insufficient" in found.seen


def test_a_cuda_torch_without_a_gpu_is_a_warning() -> None:
    assert by_check(accelerators(Torch("2.13.0", "13.0"), 0, None, []))["devices"].status == "warn"


@pytest.mark.parametrize(
    ("cards", "nccl", "status"),
    [((H200, H200), "2.28.3", "ok"), ((H200, H200), None, "fail"), ((H200, Card("A100", (8, 0), 2**36)), "2", "warn")],
)
def test_several_gpus_are_joined(cards: tuple[Card, ...], nccl: str | None, status: str) -> None:
    found = by_check(accelerators(Torch("2.13.0", "13.0", CODE, cards, nccl), len(cards), NEW, []))
    assert found["nccl"].status == status
    assert "cuda:1" in found


@pytest.mark.parametrize(
    ("flags", "status"),
    [(["avx2", "avx512f"], "ok"), (["avx2"], "ok"), (["asimd"], "ok"), (["sse2"], "warn"), ([], "unknown")],
)
def test_the_cpu_computes_what_vllm_needs(flags: list[str], status: str) -> None:
    assert by_check(accelerators(Torch("2.13.0+cpu", None), 0, None, flags))["cpu"].status == status


def test_without_torch_only_the_driver_is_judged() -> None:
    assert [each.check for each in accelerators(None, 1, NEW, [])] == ["driver"]
    assert accelerators(CUDA, 1, NEW, [])[0].status == "ok"


def test_this_machine_is_looked_at() -> None:
    findings, memory = look()
    assert findings[0].check == "driver"
    assert (memory > 0) == any(each.check == "cuda:0" for each in findings)


@pytest.mark.gpu
def test_a_machine_with_a_gpu_has_a_driver_and_a_card() -> None:
    findings, memory = look()
    found = by_check(findings)
    assert found["driver"].status in ("ok", "unknown")
    assert found["cuda:0"].status in ("ok", "warn")
    assert memory > 2**30
