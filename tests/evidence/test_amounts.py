from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nerkd_local.evidence.amounts import read_amounts, sentences_of
from nerkd_local.evidence.keep import keep_results
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.stats.bootstrap import f1_interval
from nerkd_local.stats.worth import worth_in_originals
from tests.evidence.amounts import ALL, SIZES, write_amounts
from tests.evidence.runs import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_amounts(tmp_path_factory.mktemp("amounts"))


def test_every_size_and_amount_is_a_cell_and_human_labels_alone_are_levels(run: Run) -> None:
    amounts = read_amounts(run)
    assert [(level.size, level.seeds) for level in amounts.levels] == [(size, 2) for size in SIZES]
    assert [(cell.size, cell.regimen, cell.amount) for cell in amounts.cells] == [
        # read with no human label: beside none, and once
        *((0, "distilled_only", amount) for amount in (6, 12, ALL)),
        *((size, "linear", amount) for size in (5, 20) for amount in (6, 12, ALL)),
    ]
    assert {(cell.mix, cell.seeds, cell.worth_seeds) for cell in amounts.cells} == {("news", 2, 2)}
    assert amounts.varied
    assert amounts.cells[3].students == ("linear-n5-news=6-seed0", "linear-n5-news=6-seed1")


def test_scores_and_worth_are_those_of_the_counts(run: Run) -> None:
    amounts = read_amounts(run)
    cell = next(cell for cell in amounts.cells if (cell.size, cell.amount) == (5, ALL))
    line = next(line for line in run.lines if (line.regimen, line.mix, line.size) == ("linear", "news", 5))
    curve = {each.size: run.counts(each) for each in run.lines if each.regimen == "original_only"}
    groups = run.documents(5)
    assert cell.f1 == f1_interval(run.counts(line), groups=groups, seed=RESAMPLING_SEED)
    (alone,) = worth_in_originals(curve, [(5, run.counts(line))], groups=groups, seed=RESAMPLING_SEED)
    assert cell.worth == alone  # many cells at once are the same as one
    # four distilled ones were made to be as good as a human one
    assert alone.low <= ALL / 4 <= alone.high


def test_seeds_that_the_curve_lacks_are_left_out_of_worth_and_counted_in_f1(tmp_path: Path) -> None:
    run = write_amounts(tmp_path, unfinished=["original_only-n40-seed1", "linear-n5-news=6-seed0"])
    amounts = read_amounts(run)
    assert [level.seeds for level in amounts.levels] == [2, 2, 2, 1]
    cells = {(cell.regimen, cell.size, cell.amount): cell for cell in amounts.cells}
    whole, partly = cells["linear", 5, ALL], cells["linear", 5, 6]
    assert (whole.seeds, whole.worth_seeds) == (2, 1)
    assert (partly.seeds, partly.worth_seeds, partly.worth) == (1, 0, None)
    assert amounts.missing == ("1 of 9 cells share no finished seed with original_only at every size.",)


def test_one_amount_is_shown_and_what_to_add_is_said(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, sizes=(10, 20), distilled=24).output)
    amounts = read_amounts(run)
    assert [(cell.regimen, cell.size, cell.amount) for cell in amounts.cells] == [
        (regimen, size, 24) for size in (10, 20) for regimen in ("simple_mix", "linear")
    ]
    assert not amounts.varied
    assert all(cell.worth is not None for cell in amounts.cells)
    one, off = amounts.missing
    assert "`amounts: [250, 500, 1000, all]`" in one
    assert off.endswith("add larger sizes to `original.sizes`.")


def test_without_human_labels_alone_there_is_no_worth(tmp_path: Path) -> None:
    amounts = read_amounts(open_run(write_run(tmp_path, regimens=["linear"]).output))
    assert [cell.worth for cell in amounts.cells] == [None, None]
    assert amounts.missing[0] == (
        "No student of original_only is finished, which is what distilled sentences are held to."
    )


def test_with_folds_sizes_cannot_be_compared(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, more={"folds": {"count": 3, "nested": False}}).output)
    amounts = read_amounts(run)
    assert {cell.worth for cell in amounts.cells} == {None}
    assert amounts.missing[0].startswith("With `folds` each size is scored on sentences of its own")


def test_without_students_of_distilled_labels_that_is_said(tmp_path: Path) -> None:
    amounts = read_amounts(open_run(write_run(tmp_path, regimens=["original_only"]).output))
    assert amounts.cells == ()
    assert amounts.missing == ("No student that reads distilled labels is finished.",)


def test_a_run_that_was_kept_without_its_texts_has_the_same_cells(run: Run, tmp_path: Path) -> None:
    keep_results(run, tmp_path / "kept")
    assert read_amounts(open_run(tmp_path / "kept")) == read_amounts(run)


def test_how_many_sentences_a_mix_has_is_read_off_its_students_where_its_file_is_gone(tmp_path: Path) -> None:
    settings = write_run(tmp_path, distilled=24)
    (mix,) = settings.all_mixes
    assert sentences_of(open_run(settings.output), mix) == 24
    shutil.rmtree(settings.output / "annotations")
    assert sentences_of(open_run(settings.output), mix) == 24
    only = write_run(tmp_path / "only", regimens=["original_only"])
    shutil.rmtree(only.output / "annotations")
    assert sentences_of(open_run(only.output), mix) is None
