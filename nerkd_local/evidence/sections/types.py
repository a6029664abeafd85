"""What can be told where the sentences, or what was found in them, are not there: F1 by type, from the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from nerkd_local.evidence.chosen import Chosen, line_name
from nerkd_local.evidence.predictions import has_spans
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import Line, evaluation_files
from nerkd_local.report.parts import Table
from nerkd_local.report.tables import NOTHING


def why_nothing(run: Run, chosen: Sequence[Chosen]) -> str:
    """Why there is no more: the sentences are not here, or what the students found is not."""
    files = [file for each in chosen for file in evaluation_files(run.settings, run.folder, each.size)]
    if not all(file.exists() for file in files):
        parts = [
            part for each in chosen for line in each.lines for seed in run.seeds(line) for part in line.parts[seed]
        ]
        kept = any(has_spans(run.folder, *part) for part in parts)
        return (
            "The sentences are not in this folder: it was kept without anybody's text. "
            + (
                "What each student found is there in numbers; copy the folders in cells/ into those of a run folder "
                "that has the corpora (see scripts/studies/keep_results.py), and this is shown there."
                if kept
                else "What the students found is not there either, only how many entities."
            )
            + " Below is F1 by type, which the students' results hold."
        )
    return "What the students found was not kept, only how many entities. Below is F1 by type, from their results."


def by_type(run: Run, chosen: Sequence[Chosen]) -> Iterator[Table]:
    """F1 by type, without intervals: as the students' results have it."""
    for each in chosen:
        scores = {line_name(run, line): _type_scores(run, line) for line in each.lines}
        types = sorted({label for of in scores.values() for label in of})
        cells = tuple((label, *(_range(of.get(label, ())) for of in scores.values())) for label in types)
        yield Table(
            f"types-{each.size}",
            f"F1 by type, {each.size:,} original sentences",
            ("type", *scores),
            cells,
            ("type",),
            "Means over the seeds; in brackets the lowest and the highest seed, which is no interval.",
        )


def _type_scores(run: Run, line: Line) -> dict[str, list[float]]:
    """Each seed's strict F1 by type; with folds the mean of the folds'."""
    found: dict[str, list[float]] = {}
    for seed in run.seeds(line):
        of_seed: dict[str, list[float]] = {}
        for name, evaluation in line.parts[seed]:
            for row in run.results[name]["scores"][evaluation]:
                if row["type"] not in ("micro", "macro"):
                    of_seed.setdefault(row["type"], []).append(row["f1"])
        for label, values in of_seed.items():
            found.setdefault(label, []).append(fmean(values))
    return found


def _range(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else NOTHING
