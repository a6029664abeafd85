"""The section of F1 by regimen is the result table of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.evidence.run import open_run
from nerkd_local.evidence.sections.regimens import distilled_sentences, section
from nerkd_local.report.parts import Figure, Table
from tests.evidence.runs import write_run


def test_the_figure_and_the_table_are_those_of_the_results(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10, 20), seeds=(0, 1), results=True)
    run = open_run(settings.output)
    figure, table = section(run).parts
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    figure.draw(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes() == (run.folder.results / "figure.png").read_bytes()
    assert [row[:4] for row in table.rows[:2]] == [("original_only", "-", "10", "2"), ("simple_mix", "news", "10", "2")]
    shown = [float(row[4]) for row in table.rows]
    assert shown == pytest.approx([row["f1_mean"] for row in table.records], abs=5e-4)
    assert "**" not in str(table.rows)
    assert "not corrected for the number of regimens" in section(run).lead


def test_distilled_sentences_are_known_from_the_students(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,), distilled=30).output)
    assert distilled_sentences(run) == {"news": 30}
    alone = open_run(write_run(tmp_path / "alone", regimens=("original_only",), sizes=(10,), seeds=(0,)).output)
    assert distilled_sentences(alone) == {}
    figure, _ = section(alone).parts
    assert isinstance(figure, Figure)
    figure.draw(tmp_path / "alone.svg")


def test_a_regimen_chosen_on_inner_folds_has_its_row(tmp_path: Path) -> None:
    more = {"folds": {"count": 3, "nested": True}}
    run = open_run(write_run(tmp_path, regimens=("original_only", "linear"), sizes=(12,), seeds=(0,), more=more).output)
    found = section(run)
    table = next(part for part in found.parts if isinstance(part, Table))
    assert table.rows[-1][0] == "chosen on inner folds"
    assert "chosen on inner folds" in found.lead


def test_a_label_study_alone_has_no_line(tmp_path: Path) -> None:
    more = {"label_study": {"source": "news", "sizes": [8]}}
    unfinished = ("original_only-n10-seed0",)
    settings = write_run(
        tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,), more=more, unfinished=unfinished
    )
    found = section(open_run(settings.output))
    assert found.parts == ()
    assert "No line" in found.lead
