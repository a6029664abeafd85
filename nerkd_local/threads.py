"""How the CPU threads of a process wait for each other."""

from __future__ import annotations

import os

_SPINS = 1000


def wait_politely() -> None:
    """Let idle OpenMP threads sleep after some ten microseconds; a user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT stays.

    A thread that spins takes the core that the thread it waits for needs, as soon as anything else runs on the machine;
    one that sleeps at once has to be woken a thousand times in a training step. torch brings GNU's OpenMP, which spins
    300,000 times unless told otherwise. Two threads of all-MiniLM-L6-v2 on a two-core AMD EPYC (one thread: 6.6 s and
    506 sentences/s; something else always ran beside it, in the first two rows little):

    spins                                        0    1,000    3,000
    training, 80 steps of 8 sentences        7.9 s    5.0 s    4.7 s
    prediction, sentences/s                    430      850      910
    training beside some six others           21 s     28 s
    prediction beside them, sentences/s        205      170           (300,000: no end of 2,400 sentences in 45 s)

    Libraries read this once, when they are loaded, so entry points call it before any import of torch.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for other makes of OpenMP, and for more threads than cores
        os.environ["GOMP_SPINCOUNT"] = str(_SPINS)
