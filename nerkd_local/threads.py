"""How the CPU threads of a process wait for each other."""

from __future__ import annotations

import os


def wait_politely() -> None:
    """Let idle OpenMP threads sleep instead of spin; a user's own OMP_WAIT_POLICY stays.

    A spinning thread takes the core that the thread it waits for needs as soon as anything else runs on the
    machine: measured with one busy process beside it on two cores, prediction fell from 535 to 33 sentences/s.
    Libraries read this once, when they are loaded, so entry points call it before any import of torch.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
