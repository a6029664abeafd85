"""How fast a bundle is checked, against sha256sum and openssl on one disk, with how much memory and reading.

    python scripts/bench/bundle.py --gigabytes 1 2 --rounds 9 --folder SCRATCH

Files are read once beforehand, so that both find them in the page cache: what is compared is the work, not the disk.
`verify` runs in a process of its own, whose peak of memory and bytes read (rchar of /proc/self/io) are the kernel's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rates import ratio, say, shown

import nerkd_local
from nerkd_local.bundle.create.volumes import Header, Source, write_bundle
from nerkd_local.bundle.manifest import Target

PACKAGE = str(Path(nerkd_local.__file__).parents[1])
HASH = "from pathlib import Path; from nerkd_local.bundle.hashing import hash_file; hash_file(Path(sys.argv[2]))"
VERIFY = """
import json
from pathlib import Path
from nerkd_local.bundle.verify import verify

def read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])

before = read()
verified = verify(Path(sys.argv[2]), Path(sys.argv[3]))
after = read()
status = Path("/proc/self/status").read_text().split()
print(json.dumps({
    "peak": 1024 * int(status[status.index("VmHWM:") + 1]), "read": after - before, "bytes": verified.carried_bytes
}))
"""


def bare(code: str, *arguments: object) -> str:
    """What the code prints, run by a Python without site packages."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, sys.argv[1])\n{code}", PACKAGE,
         *map(str, arguments)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def write_random(path: Path, size: int, seed: int) -> None:
    """A file of that size that does not repeat itself and that no disk compresses."""
    draw = random.Random(seed)
    with path.open("wb") as stream:
        while size:
            piece = draw.randbytes(min(size, 1 << 24))
            stream.write(piece)
            size -= len(piece)


def compare_hashing(path: Path, rounds: int) -> None:
    """Bytes a second of both, in turns."""
    size = path.stat().st_size
    commands = {"sha256sum": ["sha256sum"], "openssl": ["openssl", "dgst", "-sha256"]}
    rates: dict[str, list[float]] = {name: [] for name in ("nerkd", *commands)}
    for number in range(rounds + 1):
        for name in sorted(rates, reverse=bool(number % 2)):
            began = time.perf_counter()
            if name == "nerkd":
                bare(HASH, path)
            else:
                subprocess.run([*commands[name], path], check=True, capture_output=True)
            if number:  # the first round warms up
                rates[name].append(size / 1e9 / (time.perf_counter() - began))
    for name, found in rates.items():
        say(f"{name}: {statistics.median(found):.2f} GB/s ({min(found):.2f} to {max(found):.2f}), {rounds} rounds")
    for name in commands:
        say(f"ratio nerkd / {name}, round by round: {shown(ratio(rates, 'nerkd', name))}")


def measure_verify(folder: Path, public: Path, label: str) -> None:
    """One call of `verify`: seconds, peak of memory, bytes read for each byte of the bundle."""
    began = time.perf_counter()
    found = json.loads(bare(VERIFY, folder, public))
    seconds = time.perf_counter() - began
    say(
        f"verify {label}: {seconds:.2f} s ({found['bytes'] / 1e9 / seconds:.2f} GB/s), "
        f"peak {found['peak'] / 1e6:.1f} MB, {found['read'] / found['bytes']:.5f} bytes read a byte"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 2.0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where it works [the system's temporary folder]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        top = Path(name)
        private, public = top / "private.pem", top / "public.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
        header = Header(
            "toolkit", "bench", 1, "2026-01-01T00:00:00Z", Target("linux", "x86_64", "2.28", "cp311", "cpu")
        )
        for number, gigabytes in enumerate(arguments.gigabytes):
            content = top / "content"
            write_random(content, int(gigabytes * 1e9), number)
            if not number:
                compare_hashing(content, arguments.rounds)
            for volumes, limit in (("one volume", 4 << 30), ("volumes of 256 MB", 256_000_000)):
                made = write_bundle(
                    header, {"data/content": Source(content, "data")}, top / "bundle", private, max_volume=limit
                )
                measure_verify(made.folder, public, f"{gigabytes:g} GB in {volumes}")
                for path in sorted(made.folder.rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
                made.folder.rmdir()
            os.unlink(content)


if __name__ == "__main__":
    main()
