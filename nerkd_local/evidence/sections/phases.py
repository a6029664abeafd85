"""Which figure and table of a run stands for which part of the paper it follows, and what that paper leaves open."""

from __future__ import annotations

from nerkd_local.evidence.run import Run
from nerkd_local.report.parts import Section, Table

KEY, TITLE = "phases", "What stands for what in the paper"


def section(run: Run) -> Section:
    """A table of the settings' `phases`, and one of what is not known of the paper's own experiment."""
    phases = run.settings.phases
    if not phases:
        lead = (
            "This run's settings name no phases of a paper: its figures stand for themselves. How `phases` are "
            "written, configs/experiments/paper.yaml shows."
        )
        return Section(KEY, TITLE, lead)
    lead = (
        "What this run shows for each part of the paper. It is another experiment than the paper's: another annotator, "
        "and choices of its own wherever the paper's are not known here."
    )
    headers = ("phase", "the paper", "here")
    shown = Table(
        "phases",
        "The paper's phases",
        headers,
        tuple((phase.phase, phase.paper, ", ".join(phase.shows)) for phase in phases),
        left=headers,
    )
    rows = tuple((phase.phase, each) for phase in phases for each in phase.unstated)
    if not rows:
        return Section(KEY, TITLE, lead, (shown,))
    what = ("phase", "not known here of the paper, and what this run does")
    return Section(KEY, TITLE, lead, (shown, Table("unstated", "What is left open", what, rows, left=what)))
