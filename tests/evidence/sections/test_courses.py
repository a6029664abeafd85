"""What the section of courses says of plans and of what was shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerkd_local.evidence.courses import COURSE, read_course, write_course
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sections.courses import section
from nerkd_local.files import read_json_lines, write_json_lines
from nerkd_local.report.parts import Figure, Section, Table
from tests.evidence.runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return open_run(write_run(tmp_path, sizes=(10, 20), seeds=(0, 1)).output)


def table_of(found: Section) -> Table:
    (table,) = (part for part in found.parts if isinstance(part, Table))
    return table


def test_a_run_that_went_as_planned_says_so_and_has_every_line_in_the_table(run: Run, tmp_path: Path) -> None:
    found = section(run)
    assert "What was shown is what was planned" in found.lead
    assert "except" not in found.lead
    figures = [part for part in found.parts if isinstance(part, Figure)]
    assert [figure.name for figure in figures] == ["schedules", "losses"]
    table = table_of(found)
    assert [row[:3] for row in table.rows] == [(line.regimen, line.mix or "-", f"{line.size}") for line in run.lines]
    shown = {row["regimen"]: row for row in table.records if row["original_size"] == 10}
    assert shown["simple_mix"]["planned_exposure"] == 0.5
    assert shown["simple_mix"]["exposure"] == 0.5
    assert shown["simple_mix"]["distilled_shown"] == 40  # half of 20 steps of 4
    assert shown["original_only"]["distilled_shown"] == 0
    for figure in figures:
        figure.draw(tmp_path / f"{figure.name}.svg")
        svg = (tmp_path / f"{figure.name}.svg").read_text(encoding="utf-8")
        assert svg.count('id="axes_') == 3
        assert "10 original sentences, 20 steps of 4" in svg


def test_what_was_not_shown_as_planned_is_named(run: Run) -> None:
    """Three steps of a simple_mix student show four original sentences in place of the distilled ones: W .35 for .5."""
    folder = run.folder.student("simple_mix-n10-news-seed1")
    rows = [row for _, row in read_json_lines(folder / "exposure.jsonl")]
    for row in rows[:3]:
        row["original"], row["distilled"] = row["distilled"], row["original"]
    write_json_lines(folder / "exposure.jsonl", rows)
    found = section(run)
    assert "except W of simple_mix at 10 originals: 0.425 where 0.500 was planned." in found.lead
    (row,) = [row for row in table_of(found).records if (row["regimen"], row["original_size"]) == ("simple_mix", 10)]
    assert (row["exposure_lowest"], row["exposure_highest"]) == (0.35, 0.5)
    assert row["most_ahead"] == -12


def test_a_plan_that_one_student_lacks_is_not_drawn(run: Run, tmp_path: Path) -> None:
    (run.folder.student("simple_mix-n10-news-seed1") / "plan.jsonl").unlink()
    found = section(run)
    assert "Where a plan was not kept, what was planned is not known." in found.lead
    next(part for part in found.parts if isinstance(part, Figure)).draw(tmp_path / "figure.svg")
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert ">W 0.500<" in svg  # simple_mix: no word of a plan
    assert ">W 0.500, planned 0.500<" in svg  # linear


def test_the_size_with_most_regimens_is_drawn(tmp_path: Path) -> None:
    mixes = [{"sources": ["news"], "sizes": [20]}]
    found = section(open_run(write_run(tmp_path, sizes=(10, 20), seeds=(0,), more={"mixes": mixes}).output))
    next(part for part in found.parts if isinstance(part, Figure)).draw(tmp_path / "figure.svg")
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert svg.count('id="axes_') == 3
    assert "20 original sentences" in svg


def test_f1_on_the_way_is_drawn_where_it_was_measured(run: Run, tmp_path: Path) -> None:
    for name in run.results:
        if name.startswith("linear"):
            rows = [{"step": step, "precision": 0.5, "recall": 0.5, "f1": step / 20} for step in (10, 15)]
            write_json_lines(run.folder.student(name) / "evaluations.jsonl", rows)
    (figure,) = (part for part in section(run).parts if isinstance(part, Figure) and part.name == "f1_on_the_way")
    figure.draw(tmp_path / "figure.svg")
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert svg.count('id="axes_') == 1
    assert ">linear<" in svg


def test_a_kept_run_shows_the_same_and_one_without_courses_says_why_there_is_nothing(run: Run) -> None:
    before = section(run)
    for name in run.results:
        folder = run.folder.student(name)
        course = read_course(folder)
        assert course is not None
        write_course(course, folder / COURSE)
        for file in ("exposure.jsonl", "plan.jsonl"):
            (folder / file).unlink()
    kept = section(run)
    assert kept.lead == before.lead
    assert table_of(kept) == table_of(before)
    for name in run.results:
        (run.folder.student(name) / COURSE).unlink()
    empty = section(run)
    assert empty.parts == ()
    assert "exposure.jsonl" in empty.lead


def test_what_is_not_known_is_said(run: Run) -> None:
    first, second, *_ = sorted(run.results)
    (run.folder.student(first) / "exposure.jsonl").unlink()
    (run.folder.student(second) / "plan.jsonl").unlink()
    lead = section(run).lead
    assert f"Of 1 of the {len(run.results)} students it is not known what they were shown." in lead
    assert "Where a plan was not kept" in lead


def test_a_damaged_ledger_is_an_error_and_not_an_empty_section(run: Run) -> None:
    name = next(iter(run.results))
    (run.folder.student(name) / "exposure.jsonl").write_text(json.dumps({"step": 3}) + "\n")
    with pytest.raises(Exception, match=r"exposure\.jsonl:1"):
        section(run)
