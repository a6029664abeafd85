"""The answer of the whole report, what to know before believing it, and the table it is taken from."""

from __future__ import annotations

from collections import Counter

from nerkd_local.evidence.cells import percent
from nerkd_local.evidence.compare import compare_run
from nerkd_local.evidence.findings import (
    comparison_records,
    comparison_table,
    describe_against,
    describe_family,
    describe_notes,
    describe_standing,
)
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.report.parts import Section, Table

KEY, TITLE = "comparison", f"Every regimen against {BASELINE}"
FEW_SEEDS, FEW_DOCUMENTS = 3, 30


def answer(run: Run) -> tuple[str, ...]:
    """By size: which regimens are better than the human labels alone, whether any leads, what cannot be told apart;
    then over how many comparisons. Without a line of the grid, says so."""
    if not run.lines:
        return ("No line of the experiment's grid has a finished student, so there is nothing to compare.",)
    found = compare_run(run)
    paragraphs = []
    for standing in found.standings:
        size = standing.leader.size
        said = [describe_against(found, size), describe_standing(standing, found)]
        paragraphs.append(f"With {size:,} human-labelled sentences: {' '.join(filter(None, said))}")
    if found.to is None:
        paragraphs.append(f"The run has no {BASELINE}, so nothing is compared with the human labels alone.")
    return (*paragraphs, *filter(None, [describe_family(found)]))


def cautions(run: Run) -> tuple[str, ...]:
    """Students that are missing, few seeds or documents, and names that stand for the same students."""
    cells = list_cells(run.settings)
    missing = sum(cell.name not in run.results for cell in cells)
    said = []
    if missing:
        are = "is" if missing == 1 else "are"
        said.append(
            f"{missing:,} of {len(cells):,} students {are} not finished: the scores are those of the others. nerkd run "
            "with the same settings goes on."
        )
    if not run.lines:
        return tuple(said)
    found = compare_run(run)
    few = Counter(len(entry.counts) for entry in found.entries if len(entry.counts) < FEW_SEEDS)
    said += [
        f"{lines:,} of {len(found.entries):,} lines {'has' if lines == 1 else 'have'} "
        f"{'one seed' if seeds == 1 else f'{seeds} seeds'}: how much seeds move F1 is "
        f"{'not known' if seeds == 1 else 'all but unknown'} there."
        for seeds, lines in sorted(few.items())
    ]
    documents = {entry.size: len(set(entry.groups)) for entry in found.entries}
    said += [
        f"The lines of {size:,} original sentences are scored on {count:,} documents; with fewer than {FEW_DOCUMENTS}, "
        "intervals are too narrow."
        for size, count in documents.items()
        if count < FEW_DOCUMENTS
    ]
    return (*said, *describe_notes(found))


def section(run: Run) -> Section:
    """The table of comparisons."""
    if not run.lines:
        return Section(KEY, TITLE, "No line of the experiment's grid has a finished student.")
    found = compare_run(run)
    sure = percent(found.level)
    lead = (
        "A difference is called one where the test over documents and seeds rejects at "
        f"{percent(1 - found.level)} after Holm's correction and the bootstrap interval leaves out 0. What is "
        f"supported holds at {sure} for each comparison by itself, not for all of them at once. Who may be the best is "
        f"a confidence set: with a chance of {sure}, for each size by itself, it holds the best, although the leader "
        "was chosen by its own score."
    )
    shown = comparison_table(found)
    table = Table(
        "comparison",
        TITLE,
        shown.headers,
        shown.rows,
        left=shown.left,
        caption=(
            "Found more, wrong fewer: entities that are exactly right, and predicted ones that are not, for 1,000 gold "
            "ones, against the reference. Intervals: bootstrap over documents with the seeds nested, each by itself. "
            "The CSV file has the smallest difference that would be found, and the largest that is supported."
        ),
        records=comparison_records(found),
    )
    return Section(KEY, TITLE if found.to else "Who leads", lead, (table,))
