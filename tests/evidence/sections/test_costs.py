from __future__ import annotations

import re
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.amounts import read_amounts
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sections.costs import section
from nerkd_local.files import write_json
from nerkd_local.report.parts import Figure, Section, Table, Text
from tests.evidence.amounts import write_amounts
from tests.evidence.runs import write_run
from tests.evidence.test_costs import SITTING, write_annotation


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_amounts(tmp_path_factory.mktemp("curve"))


def tables(found: Section) -> dict[str, Table]:
    return {part.name: part for part in found.parts if isinstance(part, Table)}


def texts(found: Section) -> str:
    return " ".join(part.text for part in found.parts if isinstance(part, Text))


def test_the_curve_has_its_figures_and_the_table_its_cells(run: Run, tmp_path: Path) -> None:
    found = section(run)
    figures = [part for part in found.parts if isinstance(part, Figure)]
    assert [figure.name for figure in figures] == ["cost_curve", "worth"]
    for figure in figures:
        figure.draw(tmp_path / f"{figure.name}.svg")
        assert "labels of recorded; scored on" in (tmp_path / f"{figure.name}.svg").read_text().replace("\n", " ")
    amounts = read_amounts(run)
    table = tables(found)["worth"]
    assert [row[:4] for row in table.rows[:4]] == [
        ("distilled_only", "-", "6", "2"),
        ("distilled_only", "-", "12", "2"),
        ("distilled_only", "-", "23", "2"),
        ("linear", "5", "6", "2"),
    ]
    shown = [record["worth_estimate"] for record in table.records]
    assert shown == [each.worth.estimate for each in amounts.cells if each.worth is not None]
    assert len(shown) == len(table.rows)
    assert found.lead.startswith("23 distilled sentences of news ")
    assert "Of all 6 cells of regimen, original size and amount, " in found.lead  # alone they are beside none
    assert "one seed" not in found.lead
    assert tables(found).keys() == {"worth"}
    assert "The labels are those of recorded. They were recorded, or made up by a script" in texts(found)


def test_costs_of_another_annotator_are_shown_as_its(run: Run, tmp_path: Path) -> None:
    folder = write_annotation(tmp_path / "live", SITTING | {"sentences": 100}, annotated=100)
    found = section(run, priced_by=[folder], minutes_per_original=2)
    table = tables(found)["costs"]
    assert table.headers == (
        "distilled source", "distilled", "annotator's time", "GPU-hours", "prompt tokens", "output tokens", "energy"
    )  # fmt: skip
    # a hundredth of 36 s on two GPUs, 5,000 and 1,000 tokens and 9 J for each
    assert table.rows[0] == ("news", "6", "2.16 s", "0.00120", "300", "60", "0.540 J")
    assert table.records[1]["seconds"] == pytest.approx(0.36 * 12)
    assert "The costs are those of live." in texts(found)
    assert "Not recorded" not in texts(found)
    assert "A human label is taken to cost 2 minutes a sentence" in texts(found)
    worth = tables(found)["worth"]
    assert worth.headers[-1] == "as human labelling"
    figure = next(part for part in found.parts if isinstance(part, Figure))
    figure.draw(tmp_path / "f.svg")
    assert ">2.16 s<" in (tmp_path / "f.svg").read_text()
    with pytest.raises(InputError, match="holds no ledger"):
        section(run, priced_by=[tmp_path])
    with pytest.raises(InputError, match="its answers were recorded, so they have no price"):
        section(run, priced_by=[run.folder.annotation("news")])


def test_what_was_not_recorded_is_named_and_not_drawn(run: Run, tmp_path: Path) -> None:
    folder = write_annotation(tmp_path / "server", {"sentences": 100, "seconds": 36.0}, kind="openai")
    found = section(run, priced_by=[folder])
    assert tables(found)["costs"].headers[2:] == ("annotator's time", "prompt tokens", "output tokens")
    assert "Not recorded: GPU-hours, CPU core-hours, energy." in texts(found)
    assert "The costs are those of server (server)." in texts(found)


def test_what_is_said_of_one_seed_is_said_of_its_students_alone(tmp_path: Path) -> None:
    found = section(write_amounts(tmp_path, seeds=(0,)))
    assert "9 of the 9 worths go by one seed: they are of these students, " in found.lead


def test_of_many_regimens_some_are_drawn_and_the_figure_says_how_many_are_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerkd_local.evidence.sections.costs._DRAWN", 1)
    figures = [part for part in section(run).parts if isinstance(part, Figure)]
    assert [figure.name for figure in figures] == ["cost_curve", "worth"]
    for figure in figures:
        figure.draw(tmp_path / "f.svg")
        svg = (tmp_path / "f.svg").read_text(encoding="utf-8")
        assert svg.count('id="axes_') == 1
        assert "1 more in the table" in " ".join(re.sub(r"<[^>]*>", " ", svg).split())


def test_training_is_told_with_how_many_students_say_what_it_took(run: Run) -> None:
    name = next(name for name in run.results if name.startswith("linear"))
    path = run.folder.student(name) / "trained.json"
    write_json(path, {"wall_s": 90.0, "device": "cpu", "threads": 1})
    try:
        assert "took 1.50 min on average (CPU, 1 thread), over the 1 of 18 that say, for" in texts(section(run))
    finally:
        path.unlink()


def test_one_amount_has_its_table_and_says_what_to_add(tmp_path: Path) -> None:
    found = section(open_run(write_run(tmp_path, sizes=(10, 20), distilled=24).output))
    assert [type(part) for part in found.parts[:1]] == [Table]
    assert "There is one amount of distilled sentences." in texts(found)


def test_without_students_of_distilled_labels_the_section_says_why_it_is_empty(tmp_path: Path) -> None:
    found = section(open_run(write_run(tmp_path, regimens=["original_only"]).output))
    assert (found.lead, found.parts) == ("No student that reads distilled labels is finished.", ())


def test_without_a_curve_there_are_scores_and_no_worth(tmp_path: Path) -> None:
    found = section(open_run(write_run(tmp_path, regimens=["linear"]).output))
    assert "No student of original_only is finished" in found.lead
    assert {row[-1] for row in tables(found)["worth"].rows} == {"-"}
