"""A process under the launcher: what it is told, how it is stopped, and what it reports."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

from nerkd_local import offline
from nerkd_local.errors import NerkdError
from nerkd_local.memory import keep_freed_memory
from nerkd_local.stopping import listen_for_stop, signal_at_parents_end
from nerkd_local.threads import wait_politely
from nerkd_local.train.lifeline import Lifeline
from nerkd_local.train.machines import check_machines
from nerkd_local.train.messages import tell


def run_rank(work: Callable[[Callable[[], bool]], None]) -> int:
    """Do a rank's work; returns its exit code. `work` gets what says whether it is to stop. Bugs keep their traceback.

    Under `train.launch`, each machine's first rank leaves the code in a file and all exit with 0: launchers turn any
    other code into 1 and add a traceback of their own. A rank whose launcher is killed is killed too; one that only
    misses `launch` itself finishes its step, saves and ends.
    """
    code = 0
    lifeline = Lifeline.held(os.environ)
    if lifeline is not None:
        signal_at_parents_end(signal.SIGKILL)
    try:
        with listen_for_stop() as request:

            def stop() -> bool:
                return bool(request) or (lifeline is not None and lifeline.stop_wanted())

            check_machines(*_spanned(os.environ), offline.seal())
            wait_politely()
            keep_freed_memory()
            work(stop)
    except NerkdError as error:
        # What all ranks say alike, rank 0 says; what one rank says alone, it says itself.
        if getattr(error, "own", os.environ.get("RANK", "0") == "0"):
            tell(error)
        code = error.exit_code
    if lifeline is None:
        return code
    if os.environ.get("LOCAL_RANK", "0") == "0":
        lifeline.report(code)
    return 0


def _spanned(environment: Mapping[str, str]) -> tuple[int, str | None]:
    """Of how many machines this rank's run is, and where they meet; as every launcher says it."""
    world, here = (int(environment.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return max(world // here, 1), environment.get("MASTER_ADDR")
