"""Where a model folder is tried out: `python -m nerkd_local.models.dry_process FOLDER ROLE PART=SECONDS…`.

Prints one JSON object a line: which part begins, and each problem found. A part that takes too long ends the process
by SIGALRM, which nothing inside it can put off; one that wants too much memory is refused it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from nerkd_local import offline
from nerkd_local.limits import bound
from nerkd_local.models.problems import Part, Role

_MEMORY: dict[Part, int] = {"chat": 1 << 30, "tokenizer": 4 << 30}
"""Bytes that a part may take on top of what the process has by then. Loading has no bound: models differ."""


def main(folder: Path, role: Role, times_s: Mapping[Part, int]) -> None:
    """Try the parts in order, and say on stdout what each finds; what libraries print there goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    # imported here: the switches must be set before a library reads them
    from nerkd_local.models.trials import TRIALS

    for part, seconds in times_s.items():
        begin, trial = TRIALS[part]
        say({"begin": part})
        begin()
        bound(seconds, _MEMORY.get(part))
        for problem in trial(folder, role):
            say(asdict(problem))
        signal.alarm(0)


if __name__ == "__main__":
    offline.seal()
    told = dict(argument.split("=") for argument in sys.argv[3:])
    main(Path(sys.argv[1]), cast(Role, sys.argv[2]), {cast(Part, part): int(told[part]) for part in told})
