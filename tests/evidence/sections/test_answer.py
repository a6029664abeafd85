from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nerkd_local.evidence.run import open_run
from nerkd_local.evidence.sections.answer import answer, cautions, section
from nerkd_local.report.parts import Table
from tests.evidence.runs import write_run

SKILLS = {"original_only": 0.3, "simple_mix": 0.9, "linear": 0.6, "reverse": 0.31}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("answer")
    return write_run(
        root, regimens=("original_only", "simple_mix", "linear", "reverse"), skills=SKILLS, evaluation=140
    ).output


def test_the_answer_has_a_paragraph_a_size_and_the_family(finished: Path) -> None:
    small, large, family = answer(open_run(finished))
    assert small.startswith("With 10 human-labelled sentences: ")
    assert large.startswith("With 20 human-labelled sentences: ")
    assert "simple_mix by 0." in large or "simple_mix is better" in large
    assert "better than original_only (F1 0." in large
    assert re.search(r"simple_mix has the highest F1, 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", large)
    assert family.startswith("6 comparisons, corrected for together (Holm)")


def test_a_finished_run_of_enough_has_no_cautions(finished: Path) -> None:
    assert cautions(open_run(finished)) == ()


def test_what_is_missing_is_cautioned(tmp_path: Path) -> None:
    gone = ("simple_mix-n10-news-seed2", "linear-n10-news-seed1", "linear-n10-news-seed2")
    run = open_run(write_run(tmp_path, sizes=(10,), unfinished=gone).output)
    said = cautions(run)
    assert said[:4] == (
        "3 of 9 students are not finished: the scores are those of the others. "
        "nerkd run with the same settings goes on.",
        "1 of 3 lines has one seed: how much seeds move F1 is not known there.",
        "1 of 3 lines has 2 seeds: how much seeds move F1 is all but unknown there.",
        "The lines of 10 original sentences are scored on 10 documents; with fewer than 30, intervals are too narrow.",
    )
    assert any(each.startswith("1 comparison of one seed each is about the trained models") for each in said)


def test_the_table_is_the_comparison(finished: Path) -> None:
    made = section(open_run(finished))
    assert (made.key, made.title) == ("comparison", "Every regimen against original_only")
    assert "rejects at 5% after Holm's correction" in made.lead
    assert "supported holds at 95% for each comparison by itself, not for all of them at once" in made.lead
    assert "with a chance of 95%, for each size by itself, it holds the best" in made.lead
    (table,) = made.parts
    assert isinstance(table, Table)
    assert len(table.rows) == len(table.records) == 8
    assert all(len(row) == len(table.headers) for row in table.rows)
    assert {record["verdict"] for record in table.records if "verdict" in record} >= {"better"}


def test_without_original_only_it_says_so_and_still_who_leads(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, regimens=("simple_mix", "linear"), sizes=(10,), seeds=(0, 1)).output)
    paragraphs = answer(run)
    assert "simple_mix has the highest F1" in paragraphs[0]
    assert paragraphs[1:] == ("The run has no original_only, so nothing is compared with the human labels alone.",)
    assert section(run).title == "Who leads"


def test_without_a_line_there_is_nothing_to_compare(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0,), more={"label_study": {"source": "news", "sizes": [10]}})
    for cell in settings.output.glob("cells/*"):
        if not cell.name.startswith("labels-"):
            shutil.rmtree(cell)
    run = open_run(settings.output)
    assert answer(run) == ("No line of the experiment's grid has a finished student, so there is nothing to compare.",)
    (said,) = cautions(run)
    assert said.startswith("3 of 3 students are not finished: ")
    made = section(run)
    assert (made.lead, made.parts) == ("No line of the experiment's grid has a finished student.", ())
