"""What the launcher starts on every rank: `python -m nerkd_local.train SETTINGS.yaml [key=value ...]`.

Exit codes as everywhere (see `errors`, and `rank`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from nerkd_local.errors import InputError
from nerkd_local.settings import load_settings
from nerkd_local.train.rank import run_rank
from nerkd_local.train.settings import TrainSettings


def main(arguments: list[str]) -> int:
    """Run this process's rank to its end; returns the exit code."""

    def work(stop: Callable[[], bool]) -> None:
        if not arguments:
            raise InputError("usage: python -m nerkd_local.train SETTINGS.yaml [key=value ...]")
        settings = load_settings(TrainSettings, Path(arguments[0]), arguments[1:])

        from nerkd_local.train.ranks import leave_ranks
        from nerkd_local.train.run import train

        try:
            train(settings, stop=stop)
        finally:
            leave_ranks()

    return run_rank(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
