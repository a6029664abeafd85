"""SIGKILL at random instants of `nerkd annotate`, and the same command again, until it ends; many times over.

    python scripts/reliability/kills.py --kills 200

A third of the kills come at a random moment (start-up included), a third at a random sync of the store's files, a third
at a random write to them, so inside commits and checkpoints too; the latter two need strace. Each run has to end with
the export of one that was never killed, and nothing that was acknowledged before a kill may be missing after it.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from annotating import acknowledged, annotate_command, exported, lost, start, write_texts

_WATCHED_S = 0.02


def kill_once(command: list[str], store: Path, how: str, draw: random.Random, seconds: float) -> tuple[bool, int]:
    """Run the command and kill it; returns whether it was killed (it may end before), and the records lost."""
    log = store.parent.with_suffix(".log")
    if how == "moment":
        process = start(command, log)
        deadline = time.monotonic() + draw.uniform(0, seconds)
    else:
        calls = {"sync": "fdatasync,fsync", "write": "pwrite64"}[how]
        # a short run has a few dozen of the first, and hundreds of the second
        number = draw.randint(1, {"sync": 40, "write": 900}[how])
        inject = f"inject={calls}:signal=SIGKILL:when={number}"
        process = start(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject, *command], log)
        deadline = time.monotonic() + 60
    before: dict[int, int] = {}
    while process.poll() is None and time.monotonic() < deadline:
        before = acknowledged(store) or before
        time.sleep(_WATCHED_S)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    code = process.wait()
    killed = code == -signal.SIGKILL or (how != "moment" and code == 128 + signal.SIGKILL)
    if not killed and code != 0:
        raise SystemExit(f"the command ended by itself with {code}: {log.read_text()}")
    return killed, lost(before, acknowledged(store))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    kills: Counter[str] = Counter()
    records_lost = runs = different = 0
    answers_before_kill: list[int] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_texts(folder / "corpus.conll", arguments.sentences, arguments.seed)
        began = time.monotonic()
        subprocess.run(annotate_command(folder / "corpus.conll", folder / "whole"), check=True, capture_output=True)
        seconds = time.monotonic() - began
        whole = exported(folder / "whole")
        while kills.total() < arguments.kills:
            runs += 1
            output = folder / f"run{runs}"
            command = annotate_command(folder / "corpus.conll", output)
            while kills.total() < arguments.kills:
                how = draw.choice(["moment", "sync", "write"])
                killed, gone = kill_once(command, output / "answers.sqlite", how, draw, seconds)
                records_lost += gone
                if not killed:
                    break
                kills[how] += 1
                answers_before_kill.append(len(acknowledged(output / "answers.sqlite")))
                print(f"\r{kills.total()} kills, {runs} runs, {records_lost} records lost", end="", flush=True)
            subprocess.run(command, check=True, capture_output=True)
            different += exported(output) != whole
            stored = acknowledged(output / "answers.sqlite")
            assert len(stored) == arguments.sentences
    kinds = ", ".join(f"{count} at a random {how}" for how, count in sorted(kills.items()))
    print(
        f"\n{kills.total()} kills ({kinds}) in {runs} runs over {arguments.sentences:,} sentences; answers stored at a "
        f"kill: {min(answers_before_kill):,} to {max(answers_before_kill):,}\n"
        f"acknowledged records lost: {records_lost}\n"
        f"exports that differ from the unbroken run's: {different} of {runs}"
    )
    if records_lost or different:
        raise SystemExit(4)


if __name__ == "__main__":
    main()
