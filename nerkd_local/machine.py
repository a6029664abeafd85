"""What this machine is and has: in words, for results that name the hardware they came from, and to share out."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
_GPU_NAME = re.compile(r"\d+|(?:GPU|MIG)-.+")


def describe_cpu() -> str:
    """Model and usable cores: `AMD EPYC 9554P, 2 cores`; the architecture where the model is not told."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
                break
    return f"{model}, {usable_cores()} cores"


def usable_cores() -> int:
    """How many cores this process may run on (a container or Slurm may allow fewer than there are)."""
    return len(os.sched_getaffinity(0))


def visible_gpus(environment: Mapping[str, str] = os.environ, nodes: int | None = None) -> list[str]:
    """The GPUs that a process may see, by the names that CUDA_VISIBLE_DEVICES has for them.

    That variable counts where it is set, and as CUDA reads it: up to the first name that is none (`-1`, Slurm's
    `NoDevFiles`). Otherwise they are the first of the machine, as many as it has device `nodes` for (default: counted).
    """
    if VISIBLE not in environment:
        nodes = len(list(Path("/dev").glob("nvidia[0-9]*"))) if nodes is None else nodes
        return [str(number) for number in range(nodes)]
    names = (name.strip() for name in environment[VISIBLE].split(","))
    return list(takewhile(_GPU_NAME.fullmatch, names))
