"""Power cuts under `nerkd annotate`: a loop-mounted ext4 is shut down at a random instant without flushing its log.

    sudo python scripts/reliability/power_cuts.py --cuts 50

Whatever was written and not synced is then gone, as when the power fails. What a reader saw committed before has to be
there when the file system is mounted again, and the run, gone on with, has to end with the unbroken run's export.
A control with SQLite's syncing off has to lose records: a harness that cannot see a loss proves nothing. Root only.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotating import acknowledged, annotate_command, exported, lost, start, write_texts

_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


@contextmanager
def file_system(folder: Path) -> Iterator[Path]:
    """A new ext4 in a file, mounted; cut and mounted again by `cut`."""
    image, point = folder / "disk.img", folder / "disk"
    with image.open("wb") as stream:
        stream.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=False)


def cut(point: Path) -> None:
    """The power fails: what is not on the disk is gone."""
    handle = os.open(point, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(handle)


def mount_again(point: Path, image: Path) -> None:
    """The power is back: the file system replays its journal."""
    subprocess.run(["umount", str(point)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=True)


def cut_once(
    folder: Path, corpus: Path, draw: random.Random, seconds: float, synchronous: str
) -> tuple[int, int, bool]:
    """One cut; returns what was acknowledged before it, how much of that is lost, and whether the run goes on well."""
    with file_system(folder) as point:
        output = point / "out"
        command = annotate_command(corpus, output, synchronous=synchronous)
        process = start(command, folder / "log")
        moment = time.monotonic() + draw.uniform(0.3, 1) * seconds
        before: dict[int, int] = {}
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.005)
        before = acknowledged(output / "answers.sqlite")
        cut(point)
        process.kill()
        process.wait()
        mount_again(point, folder / "disk.img")
        gone = lost(before, acknowledged(output / "answers.sqlite"))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        whole = done.returncode == 0 and exported(output) == exported(folder.parent / "whole")
        if not whole:
            print(f"\nended with {done.returncode}: {done.stderr.strip()[-500:]}")
    (folder / "disk.img").unlink()
    return len(before), gone, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--control", type=int, default=10, help="cuts with syncing off")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    failed = False
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_texts(root / "corpus.conll", arguments.sentences, arguments.seed)
        began = time.monotonic()
        subprocess.run(annotate_command(root / "corpus.conll", root / "whole"), check=True, capture_output=True)
        seconds = time.monotonic() - began
        for synchronous, count in (("FULL", arguments.cuts), ("OFF", arguments.control)):
            kept, losses, records, unlike = [], 0, 0, 0
            for number in range(count):
                folder = root / f"{synchronous}{number}"
                folder.mkdir()
                before, gone, whole = cut_once(folder, root / "corpus.conll", draw, seconds, synchronous)
                kept.append(before)
                losses += gone > 0
                records += gone
                unlike += not whole
                print(f"\r{synchronous}: {number + 1} cuts, {records:,} records lost", end="", flush=True)
            print(
                f"\nsynchronous {synchronous}: {count} cuts with {min(kept):,} to {max(kept):,} records acknowledged; "
                f"{losses} lost some, {records:,} records in all; {unlike} runs did not go on to the unbroken export"
            )
            failed |= (records > 0 or unlike > 0) if synchronous == "FULL" else records == 0
    if failed:
        raise SystemExit(4)


if __name__ == "__main__":
    main()
