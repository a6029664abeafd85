"""The section on where the difference is: whole, and with whatever a folder lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nerkd_local.evidence.keep import keep_results
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sections.where import section
from nerkd_local.report.parts import Figure, Section, Table, Text
from tests.evidence.runs import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    skills = {"original_only": 0.3, "simple_mix": 0.9, "linear": 0.5}
    return write_run(root, sizes=(10, 20), seeds=(0, 1), skills=skills, study=True).output


@pytest.fixture(scope="module")
def whole(made: Path) -> Section:
    return section(open_run(made))


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


def tables(found: Section) -> dict[str, Table]:
    return {part.name: part for part in found.parts if isinstance(part, Table)}


def test_all_parts_are_there_under_names_of_their_own(whole: Section) -> None:
    assert list(tables(whole)) == [
        "slices-10-simple_mix",
        "slices-20-simple_mix",
        "errors-10",
        "errors-20",
        "error-examples",
        "annotator-10",
        "annotator-types-10",
        "annotator-20",
        "annotator-types-20",
        "annotator-examples",
    ]
    names = [part.name for part in whole.parts if isinstance(part, Table | Figure)]
    assert len(names) == len(set(names))
    assert "cannot be told apart" in whole.lead
    for part in whole.parts:
        if isinstance(part, Table):
            assert all(len(row) == len(part.headers) for row in part.rows)
            assert set(part.left) <= set(part.headers)


def test_what_quotes_the_corpus_says_so(made: Path, whole: Section) -> None:
    quoting = {name for name, table in tables(whole).items() if table.quotes}
    assert quoting == {"error-examples", "annotator-examples"}


def test_records_have_the_numbers_in_full(whole: Section) -> None:
    records = next(table for name, table in tables(whole).items() if name.startswith("slices-")).records
    assert {"slice", "difference_mean", "difference_low", "p", "survives"} <= set(records[0])
    assert tables(whole)["errors-10"].records[0]["difference"] is None
    assert {"right_mean", "same_high"} <= set(tables(whole)["annotator-10"].records[0])


def test_figures_can_be_drawn(whole: Section, tmp_path: Path) -> None:
    figures = [part for part in whole.parts if isinstance(part, Figure)]
    assert [figure.name for figure in figures] == ["slices", "errors"]
    for figure in figures:
        assert figure.alt
        figure.draw(tmp_path / f"{figure.name}.svg")
        assert "original_only" in (tmp_path / f"{figure.name}.svg").read_text()


def test_sizes_and_lines_can_be_chosen(made: Path) -> None:
    found = section(open_run(made), sizes=(20,), others=("linear",), reference="simple_mix")
    assert "slices-20-linear" in tables(found)
    assert "errors-10" not in tables(found)
    assert found.lead.startswith("Against simple_mix: linear (20). These are")


def test_without_a_study_it_says_how_to_get_one(run: Run) -> None:
    for folder in run.folder.root.glob("annotations/study-*"):
        shutil.rmtree(folder)
    found = section(run)
    assert not any(name.startswith("annotator") for name in tables(found))
    assert any(isinstance(part, Text) and "annotator_study" in part.text for part in found.parts)


def test_a_kept_folder_has_f1_by_type_and_says_why_no_more(run: Run, tmp_path: Path) -> None:
    keep_results(run, tmp_path / "kept")
    found = section(open_run(tmp_path / "kept"))
    assert "kept without anybody's text" in found.lead
    assert list(tables(found)) == ["types-10", "types-20"]
    table = tables(found)["types-20"]
    assert {row[0] for row in table.rows} <= {"PER", "ORG", "LOC", "MISC"}
    assert "no interval" in table.caption


def test_students_whose_mentions_were_not_kept_are_named(run: Run) -> None:
    (run.folder.student("simple_mix-n10-news-seed0") / "predictions-evaluation.jsonl").unlink()
    texts = [part.text for part in section(run).parts if isinstance(part, Text)]
    assert any("simple_mix-n10-news-seed0" in text for text in texts)
    for file in run.folder.root.glob("cells/*/predictions-*"):
        file.unlink()
    found = section(run)
    assert found.lead.startswith("What the students found was not kept")


def test_a_kept_folder_without_mentions_does_not_promise_them(run: Run, tmp_path: Path) -> None:
    keep_results(run, tmp_path / "kept", spans="none")
    found = section(open_run(tmp_path / "kept"))
    assert "What the students found is not there either" in found.lead
    assert "copy" not in found.lead


def texts(found: Section) -> str:
    return "\n".join(part.text for part in found.parts if isinstance(part, Text))


def test_a_size_that_cannot_be_shown_is_named(run: Run) -> None:
    for file in run.folder.root.glob("cells/original_only-n10-*/predictions-*"):
        file.unlink()
    found = section(run)
    assert "slices-20-simple_mix" in tables(found)
    assert not any("-10" in name for name in tables(found))
    assert "With 10 original sentences nothing is shown" in texts(found)
    for file in run.folder.root.glob("cells/*-n10-*/result.json"):
        file.unlink()
    assert "With 10 original sentences there are no two lines to compare yet." in texts(
        section(open_run(run.folder.root))
    )


def test_lines_without_a_finished_seed_in_common(tmp_path: Path) -> None:
    unfinished = ("original_only-n10-seed1", "simple_mix-n10-news-seed0")
    made = write_run(
        tmp_path, sizes=(10,), seeds=(0, 1), regimens=("original_only", "simple_mix"), unfinished=unfinished
    )
    found = section(open_run(made.output))
    assert "no finished seed in common" in found.lead
    assert [part.name for part in found.parts if isinstance(part, Figure)] == ["errors"]
    assert [row[4] for row in tables(found)["errors-10"].rows] == ["-"] * 12
    assert (
        "Without a seed in common, so that their difference cannot be told: simple_mix and original_only (10)."
        in texts(found)
    )


def test_each_size_is_compared_with_its_own_reference(tmp_path: Path) -> None:
    """Where no original_only is finished for a size, another line is its reference: no number is said to be against
    a line that it was not taken to."""
    skills = {"original_only": 0.3, "simple_mix": 0.9, "linear": 0.5}
    unfinished = ("original_only-n10-seed0", "original_only-n10-seed1")
    made = write_run(tmp_path, sizes=(10, 20), seeds=(0, 1), skills=skills, unfinished=unfinished)
    found = section(open_run(made.output))
    assert found.lead.startswith("Against linear: simple_mix (10); against original_only: simple_mix (20).")
    figures = {part.name: part for part in found.parts if isinstance(part, Figure)}
    assert list(figures) == ["slices", "slices-to-original_only", "errors"]
    for name, reference, size in (("slices", "linear", "10"), ("slices-to-original_only", "original_only", "20")):
        figures[name].draw(tmp_path / f"{name}.svg")
        text = (tmp_path / f"{name}.svg").read_text()
        assert f"Difference to {reference}" in text
        assert f"{size} original sentences" in text
        assert f"{30 - int(size)} original sentences" not in text


def test_a_reference_that_leads_is_not_passed_over(tmp_path: Path) -> None:
    skills = {"original_only": 0.95, "linear": 0.3}
    regimens = ("original_only", "linear")
    made = write_run(tmp_path, sizes=(10,), seeds=(0, 1), skills=skills, regimens=regimens)
    lead = section(open_run(made.output)).lead
    assert lead.startswith("Against original_only: linear (10). Of each size that is the best other line by mean F1")
    assert "leader" not in lead


def test_with_folds_no_study_is_promised(tmp_path: Path) -> None:
    more = {"folds": {"count": 3, "nested": False}}
    made = write_run(tmp_path, sizes=(20,), seeds=(0,), regimens=("original_only", "simple_mix"), more=more)
    assert "An evaluation corpus of its own is needed" in texts(section(open_run(made.output)))


def test_one_line_alone(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,), regimens=("simple_mix",)).output)
    assert section(run).parts == ()
    assert "no two lines" in section(run).lead


def test_one_seed_is_said_to_be_two_models(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,)).output)
    captions = [table.caption for table in tables(section(run)).values()]
    assert "Over one seed a difference is about two models" in section(run).lead
    assert any("two models compared, not two regimens" in caption for caption in captions)
