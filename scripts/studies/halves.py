"""A regimen that was chosen on one half of the evaluation documents, compared on the other half.

    python scripts/studies/halves.py RUN_FOLDER [--chosen adaptive] > halves.md

RUN_FOLDER is that of an experiment with an evaluation corpus (`nerkd run`). A document is in half A or B by a hash of
its name, so nobody chose which. The rival is the best of the other regimens on half A; half B is where the two are
told apart. Intervals: bootstrap over documents with seeds nested, differences paired by document and seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.folds import document_names
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import Counts, Line, line_counts, list_lines
from nerkd_local.fingerprints import digest
from nerkd_local.settings import load_settings
from nerkd_local.stats.bootstrap import Interval, f1_difference, f1_interval


def halves(evaluation: Path) -> tuple[np.ndarray, np.ndarray]:
    """For each sentence whether its document is in half A, and the document's name. Shapes: (sentences,).

    Prints how large the halves are.
    """
    names = document_names(read_documents(evaluation))
    half = {name: int(digest("half", name), 16) % 2 == 0 for name in names.values()}
    in_a, documents = np.array([half[name] for name in names.values()]), np.array(list(names.values()))
    print(
        f"{in_a.sum():,} sentences of {len(set(documents[in_a]))} documents in half A, "
        f"{(~in_a).sum():,} of {len(set(documents[~in_a]))} in half B."
    )
    return in_a, documents


def finished_counts(line: Line, folder: RunFolder) -> Counts | None:
    """A line's counts, of all its seeds; None where not all are there."""
    students = [name for parts in line.parts.values() for name, _ in parts]
    if not all((folder.student(name) / "counts.npz").exists() for name in students):
        return None
    return line_counts(line, list(line.parts), folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chosen", default="adaptive", help="with several mixes 'REGIMEN, MIX'")
    arguments = parser.parse_args()
    folder = RunFolder(arguments.folder)
    settings = load_settings(ExperimentSettings, folder.settings)
    in_a, documents = halves(folder.evaluation)
    for size in sorted(set(settings.original.sizes)):
        compare(arguments.chosen, [line for line in list_lines(settings) if line.size == size], folder, in_a, documents)


def compare(chosen: str, lines: Sequence[Line], folder: RunFolder, in_a: np.ndarray, documents: np.ndarray) -> None:
    """Print the table of one size: every line on both halves, and the chosen one's lead on half B."""
    counts: dict[str, Counts] = {}
    missing = []
    several = len({line.mix for line in lines if line.mix}) > 1
    for line in lines:
        name = f"{line.regimen}, {line.mix}" if several and line.mix else line.regimen
        table = finished_counts(line, folder)
        if table is None:
            missing.append(name)
        else:
            counts[name] = table
    if missing:
        print(f"\n{lines[0].size} originals: not compared, as not all of their seeds are there: {', '.join(missing)}.")
    if chosen not in counts:
        print(f"\n{lines[0].size} originals: {chosen!r} is none of {', '.join(map(repr, counts))}.")
        return
    on_a = {name: f1_interval(table[:, in_a], groups=documents[in_a], seed=0).mean for name, table in counts.items()}
    rival = max((name for name in counts if name != chosen), key=on_a.__getitem__)
    rows = []
    for name, table in counts.items():
        on_b = table[:, ~in_a]
        f1 = f1_interval(on_b, groups=documents[~in_a], seed=0)
        lead = None
        if name != chosen:
            lead = f1_difference(counts[chosen][:, ~in_a], on_b, groups=documents[~in_a], seed=0)
        rows.append(
            (
                name + (" (best on A)" if name == rival else ""),
                len(table),
                f"{on_a[name]:.3f}",
                text(f1),
                signed(lead),
            )
        )
    print(f"\n## {lines[0].size} originals\n")
    headers = ("regimen", "seeds", "F1 on half A", "F1 on half B (95 %)", f"{chosen} minus it on half B (95 %)")
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


def text(interval: Interval) -> str:
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def signed(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.mean:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


if __name__ == "__main__":
    main()
