"""How the CPU threads of a process wait for each other."""

from __future__ import annotations

import os

_SPINS = 1000


def wait_politely() -> None:
    """Let idle OpenMP threads sleep after some ten microseconds; a user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT stays.

    A thread that spins takes the core that the thread it waits for needs, as soon as anything else runs on the machine;
    one that sleeps at once is woken a thousand times in a training step. torch's own OpenMP is GNU's, which spins
    300,000 times unless told otherwise. Two threads on a two-core AMD EPYC:

    spins                                            0    1,000    3,000  300,000
    training, an epoch of 80 steps of 8 sentences  7.9 s    5.0 s    4.7 s       -  (one thread: 6.6 s)
    prediction, sentences/s                        ~400      850      900      535
    the same beside one or two busy processes      ~320      240      345       33

    Libraries read this once, when they are loaded, so entry points call it before any import of torch.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for other makes of OpenMP, and for more threads than cores
        os.environ["GOMP_SPINCOUNT"] = str(_SPINS)
