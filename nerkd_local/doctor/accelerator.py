"""GPUs: the driver, whether torch's CUDA fits it, what the cards compute, and what joins them; without one, the CPU.

What is read from the machine comes in as plain values, so that the judgements hold for machines that the tests have not
got.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.doctor.finding import Finding
from nerkd_local.machine import visible_gpus

DRIVER = Path("/proc/driver/nvidia/version")

# The oldest driver for each major version of CUDA (NVIDIA's table of minor version compatibility)
_OLDEST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}

_BFLOAT16_SINCE = (8, 0)
_FREE_WARN = 0.5


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as torch sees it; memory in bytes, capability such as (9, 0)."""

    name: str
    capability: tuple[int, int]
    memory: int
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Torch:
    """What the installed torch was built for (`cuda` such as `13.0`; None for the CPU) and the cards that it can use.

    `architectures` are those that it has code for (`sm_90`, `compute_90`), `trouble` why it can use none.
    """

    version: str
    cuda: str | None
    architectures: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    nccl: str | None = None
    trouble: str | None = None


def driver_version(text: str) -> tuple[int, ...] | None:
    """The driver's version in what /proc/driver/nvidia/version says: `580.65.06` is (580, 65, 6)."""
    match = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def accelerators(
    torch: Torch | None, nodes: int, driver: tuple[int, ...] | None, flags: Iterable[str]
) -> list[Finding]:
    """Everything that can be said of the devices. `nodes` is the number of GPUs that the machine has, `flags` what the
    CPU can do. Without torch only the driver is judged.
    """
    if not nodes and driver is None:
        findings = [Finding("driver", "ok", "no NVIDIA GPU here: everything computes on the CPU")]
    else:
        findings = [_driver(torch, nodes, driver)]
    if torch is None:
        return findings
    if torch.cuda is None:
        if nodes:
            fix = "install the bundle for CUDA, or scripts/setup --cuda"
            findings.append(Finding("devices", "warn", f"{nodes} GPU(s), and torch {torch.version} for the CPU", fix))
        return [*findings, _cpu(flags)]
    if not torch.cards:
        if not nodes:
            fix = "install the bundle for the CPU: it is smaller, and vLLM's CUDA build starts on no CPU"
            return [*findings, Finding("devices", "warn", f"torch {torch.version} for CUDA, and no GPU", fix)]
        why = torch.trouble or "torch finds none of them"
        fix = "see `driver`; then: nvidia-smi; echo $CUDA_VISIBLE_DEVICES; ls -l /dev/nvidia*"
        return [*findings, Finding("devices", "fail", f"{nodes} GPU(s) that cannot be used: {why}", fix)]
    findings.extend(_card(number, card, torch) for number, card in enumerate(torch.cards))
    if len(torch.cards) > 1:
        findings.append(_joined(torch))
    return findings


def _driver(torch: Torch | None, nodes: int, driver: tuple[int, ...] | None) -> Finding:
    if driver is None:
        fix = "load the driver (as root): modprobe nvidia; in a container, start it with --gpus all"
        return Finding("driver", "fail", f"{nodes} GPU(s) under /dev, and no NVIDIA driver", fix)
    seen = "NVIDIA " + _dotted(driver)
    if torch is None or torch.cuda is None:
        return Finding("driver", "ok", seen)
    oldest = _OLDEST_DRIVER.get(int(torch.cuda.split(".")[0]))
    if oldest is None:
        fix = "compare with the table of CUDA's release notes"
        return Finding("driver", "unknown", f"{seen}; torch's CUDA {torch.cuda} is newer than this check", fix)
    if driver[:2] < oldest:
        fix = f"install driver {_dotted(oldest)} or newer, or a bundle for an older CUDA"
        return Finding("driver", "fail", f"{seen}; CUDA {torch.cuda} needs {_dotted(oldest)} or newer", fix)
    return Finding("driver", "ok", f"{seen}, new enough for CUDA {torch.cuda}")


def _card(number: int, card: Card, torch: Torch) -> Finding:
    check = f"cuda:{number}"
    seen = f"{card.name}, {card.memory / 2**30:.0f} GiB, compute capability {_dotted(card.capability)}"
    if not _has_code(card.capability, torch.architectures):
        known = ", ".join(torch.architectures)
        fix = "install a bundle whose torch was built for this card"
        return Finding(check, "fail", f"{seen}: torch {torch.version} has no code for it (it has: {known})", fix)
    if card.capability < _BFLOAT16_SINCE:
        fix = "set engine.dtype: auto (or half), and train with precision: fp32 or fp16"
        return Finding(check, "warn", f"{seen}: computes no bfloat16", fix)
    if card.free is not None and card.free < _FREE_WARN * card.memory:
        fix = (
            "nvidia-smi says who uses it; choose another card by CUDA_VISIBLE_DEVICES, or lower gpu_memory_utilization"
        )
        return Finding(check, "warn", f"{seen}, of which {card.free / 2**30:.0f} GiB are free", fix)
    return Finding(check, "ok", seen)


def _has_code(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Whether there is code for a card: of its own major version and no newer, or an older one's PTX, which the driver
    compiles.
    """
    for each in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", each)
        if match is None:
            continue
        built = (int(match[2]), int(match[3]))
        if built <= capability and (match[1] == "compute" or built[0] == capability[0]):
            return True
    return not architectures


def _joined(torch: Torch) -> Finding:
    kinds = {card.name for card in torch.cards}
    if torch.nccl is None:
        fix = "install the bundle for CUDA again: NCCL comes with torch"
        return Finding("nccl", "fail", f"{len(torch.cards)} GPUs, and no NCCL to join them", fix)
    if len(kinds) > 1:
        fix = "choose equal ones by CUDA_VISIBLE_DEVICES"
        return Finding("nccl", "warn", f"NCCL {torch.nccl}; different cards: {', '.join(sorted(kinds))}", fix)
    return Finding("nccl", "ok", f"NCCL {torch.nccl} joins {len(torch.cards)} GPUs")


def _cpu(flags: Iterable[str]) -> Finding:
    here = set(flags)
    if not here:
        return Finding("cpu", "unknown", "/proc/cpuinfo does not say what the CPU can do", "mount -t proc proc /proc")
    if "avx512f" in here:
        extra = ", ".join(name for name in ("avx512_bf16", "avx512_vnni", "amx_bf16") if name in here)
        return Finding("cpu", "ok", f"AVX-512{f' ({extra})' if extra else ''}")
    if "avx2" in here:
        return Finding("cpu", "ok", "AVX2; with AVX-512 vLLM would be faster")
    if "asimd" in here:
        return Finding("cpu", "ok", "Arm, with NEON")
    fix = "students run; for an annotator take a CPU from 2013 or later, or a virtual machine that passes AVX2 on"
    return Finding("cpu", "warn", "neither AVX2 nor AVX-512: vLLM's CPU build does not start", fix)


def look() -> tuple[list[Finding], int]:
    """The same of this machine, and the memory of all cards that can be used, in bytes (0 without one)."""
    driver = driver_version(_read(DRIVER))
    flags: list[str] = []
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags = value.split()
            break
    torch = _torch()
    memory = sum(card.memory for card in torch.cards) if torch else 0
    return accelerators(torch, len(visible_gpus()), driver, flags), memory


def _torch() -> Torch | None:
    try:
        import torch
    except (ImportError, OSError):  # said by `software.libraries`
        return None
    version, cuda = torch.__version__, torch.version.cuda
    if cuda is None:
        return Torch(version, None)
    try:
        if not torch.cuda.is_available():
            torch.zeros(1, device="cuda")  # says why
        cards = tuple(_look_at(number) for number in range(torch.cuda.device_count()))
        nccl = _dotted(torch.cuda.nccl.version())  # type: ignore[no-untyped-call]
        return Torch(version, cuda, tuple(torch.cuda.get_arch_list()), cards, nccl)
    except (RuntimeError, AssertionError) as error:
        return Torch(version, cuda, trouble=str(error).splitlines()[0][:200])


def _look_at(number: int) -> Card:
    import torch

    card = torch.cuda.get_device_properties(number)
    free, _ = torch.cuda.mem_get_info(number)
    return Card(card.name, (card.major, card.minor), card.total_memory, free)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
