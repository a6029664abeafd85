"""What stands for what in the paper, where a run follows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.config.experiment import load_experiment
from nerkd_local.config.folders import configs_folder
from nerkd_local.evidence.run import open_run
from nerkd_local.evidence.sections.phases import section
from nerkd_local.report.parts import Table
from tests.evidence.runs import write_run


def test_without_phases_the_section_says_how_they_are_given(tmp_path: Path) -> None:
    settings = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,))
    made = section(open_run(settings.output))
    assert made.parts == ()
    assert "configs/experiments/paper.yaml" in made.lead


def test_phases_are_shown_with_what_is_not_known(tmp_path: Path) -> None:
    phases = [
        {"phase": "1", "paper": "labels", "shows": ["results/labels.png", "report: annotator"], "unstated": ["a", "b"]},
        {"phase": "2", "paper": "regimens", "shows": ["results/table.csv"]},
    ]
    settings = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,), more={"phases": phases})
    made = section(open_run(settings.output))
    shown, unstated = made.parts
    assert isinstance(shown, Table)
    assert isinstance(unstated, Table)
    assert shown.rows == (
        ("1", "labels", "results/labels.png, report: annotator"),
        ("2", "regimens", "results/table.csv"),
    )
    assert unstated.rows == (("1", "a"), ("1", "b"))


@pytest.mark.parametrize("name", ["paper", "conll_bbc_cpu"])
def test_shipped_phases_name_files_and_sections_that_a_run_makes(name: str) -> None:
    from nerkd_local.evidence.sections import annotator, answer, costs, courses, regimens, where

    keys = {module.KEY for module in (annotator, answer, costs, courses, regimens, where)}
    files = {"results/table.csv", "results/figure.png", "results/labels.png", "results/annotators.png"}
    phases = load_experiment(configs_folder("experiments") / f"{name}.yaml").phases
    assert len(phases) == 3
    for phase in phases:
        for shown in phase.shows:
            kind, _, key = shown.partition(": ")
            assert (kind == "report" and key in keys) or shown in files
        assert phase.unstated
