"""What the launcher starts on every rank: `python -m nerkd_local.train SETTINGS.yaml [key=value ...]`.

Exit codes as everywhere (see `errors`). Under `train.launch`, each machine's first rank leaves the code in a
file and all exit with 0: launchers turn any other code into 1 and add a traceback of their own. A rank whose
launcher is killed is killed too; one that only misses `launch` itself finishes its step, saves and ends.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nerkd_local import offline
from nerkd_local.errors import InputError, NerkdError
from nerkd_local.settings import load_settings
from nerkd_local.stopping import StopRequest, listen_for_stop, signal_at_parents_end
from nerkd_local.threads import wait_politely
from nerkd_local.train.lifeline import Lifeline
from nerkd_local.train.messages import tell
from nerkd_local.train.settings import TrainSettings


def main(arguments: list[str]) -> int:
    """Run this process's rank to its end; returns the exit code. Bugs keep their traceback."""
    code = 0
    lifeline = Lifeline.held(os.environ)
    if lifeline is not None:
        signal_at_parents_end(signal.SIGKILL)
    try:
        with listen_for_stop() as stop:
            offline.seal()
            wait_politely()
            if not arguments:
                raise InputError("usage: python -m nerkd_local.train SETTINGS.yaml [key=value ...]")
            settings = load_settings(TrainSettings, Path(arguments[0]), arguments[1:])
            _train(settings, stop, lifeline)
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


def _train(settings: TrainSettings, request: StopRequest, lifeline: Lifeline | None) -> None:
    from nerkd_local.train.ranks import leave_ranks
    from nerkd_local.train.run import train

    def stop() -> bool:
        return bool(request) or (lifeline is not None and lifeline.stop_wanted())

    try:
        train(settings, stop=stop)
    finally:
        leave_ranks()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
