"""The time a sentence took in repetitions of one search, candidate by candidate: median, least to most.

    python scripts/studies/tune_times.py RUN RUN ... > times.md

A search keeps one time for each candidate; run it several times, into a folder each, with nothing else running.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from statistics import median

from tabulate import tabulate


def main() -> None:
    times: dict[str, list[float]] = {}
    for folder in map(Path, sys.argv[1:]):
        with (folder / "table.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["seconds_a_sentence"]:
                    times.setdefault(row["candidate"], []).append(1000 * float(row["seconds_a_sentence"]))
    rows = [
        (name, len(each), f"{median(each):.1f}", f"{min(each):.1f} to {max(each):.1f}") for name, each in times.items()
    ]
    print(tabulate(rows, ["candidate", "runs", "ms a sentence", "least to most"], "github", disable_numparse=True))


if __name__ == "__main__":
    main()
