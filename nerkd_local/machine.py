"""What this machine is, in words, for results that name the hardware they came from."""

from __future__ import annotations

import os
import platform
from pathlib import Path


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
