"""Two shards of a corpus, killed and drained at random moments on three scratch disks, merged; many times over.

    python scripts/reliability/shards.py --kills 60

Each time a shard's command is started, on whichever of three scratch folders, it is stopped at a random moment: two
times in three by SIGKILL, else by SIGUSR1, which drains it. What is merged in the end has to be, byte for byte, what
one run over everything exports, under a seal that fits.
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

from annotating import annotate_command, exported, start, write_texts

_EXPECTED = (0, 3, -signal.SIGKILL)


def stop_at_random(command: list[str], log: Path, seconds: float, draw: random.Random) -> int:
    """Run the command and stop it, if it does not end before; returns its exit code."""
    process = start(command, log)
    try:
        process.wait(draw.uniform(0.3, 1.15) * seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGUSR1]))
        process.wait()
    if process.returncode not in _EXPECTED:
        raise SystemExit(f"the command ended with {process.returncode}: {log.read_text()}")
    return process.returncode


def merge(shards: list[Path], output: Path) -> None:
    """Merge, and check the seal with the tool that anybody has."""
    command = annotate_command(Path(), output)
    nerkd = command[: command.index("annotate")]
    subprocess.run(
        [*nerkd, "store", "merge", *map(str, shards), "--output", str(output)], check=True, capture_output=True
    )
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=output, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--sentences", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    codes: Counter[int] = Counter()
    different = merges = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        corpus = root / "corpus.conll"
        write_texts(corpus, arguments.sentences, arguments.seed)
        subprocess.run(annotate_command(corpus, root / "whole"), check=True, capture_output=True)

        def part(number: int, output: Path, scratch: Path) -> list[str]:
            return [*annotate_command(corpus, output), "--shard", f"{number}/2", "--scratch", str(scratch)]

        began = time.monotonic()
        subprocess.run(part(1, root / "probe", root / "probe_scratch"), check=True, capture_output=True)
        seconds = time.monotonic() - began
        while codes[-signal.SIGKILL] < arguments.kills:
            here = root / f"run{merges}"
            here.mkdir()
            for number in (1, 2):
                code = -1
                while code:
                    scratch = here / f"scratch{draw.randrange(3)}"
                    code = stop_at_random(part(number, here / "out", scratch), here / "log", seconds, draw)
                    codes[code] += 1
            merge(sorted((here / "out").glob("shard-*")), here / "merged")
            different += exported(here / "merged") != exported(root / "whole")
            merges += 1
            print(f"\r{codes[-signal.SIGKILL]} kills, {merges} merges, {different} different", end="", flush=True)
    print(
        f"\n{codes[-signal.SIGKILL]} kills and {codes[3]} drains in {merges} runs of two shards on three scratch "
        f"disks; merges that differ from the unbroken run's export: {different} of {merges}"
    )
    if different:
        raise SystemExit(4)


if __name__ == "__main__":
    main()
