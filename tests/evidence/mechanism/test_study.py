"""Runs become conditions; what cannot be compared is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.mechanism.questions import contrasts
from nerkd_local.evidence.mechanism.scores import panels, score
from nerkd_local.evidence.mechanism.study import FIRST, LAST, Cell, read_study
from nerkd_local.evidence.mechanism.words import summary
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.stats.contrasts import answer_contrasts
from nerkd_local.stats.holm import holm
from tests.evidence.runs import write_run

REGIMENS = ("original_only", "simple_mix", "reverse", "simple_mix@0.667", "reverse@0.667")


def run(root: Path, schedule: str, seeds: tuple[int, ...] = (0, 1), steps: int = 12, evaluation: int = 40) -> Run:
    training = {"steps": steps, "batch_size": 4, "schedule": schedule}
    made = write_run(
        root / schedule, regimens=REGIMENS, sizes=(10,), seeds=seeds, evaluation=evaluation, more={"training": training}
    )
    return open_run(made.output)


def test_conditions_are_orders_at_realised_exposures_over_the_seeds_all_have(tmp_path: Path) -> None:
    study = read_study([run(tmp_path, "linear"), run(tmp_path, "constant", seeds=(1, 2))])
    assert study.rates == ["linear", "constant"]
    assert study.seeds == (1,)
    for rate in study.rates:
        for order in (LAST, FIRST):
            assert study.cells[Cell(rate, order, "1/2")].shape[::2] == (1, 3)
            assert study.shares[Cell(rate, order, "2/3")] == pytest.approx(2 / 3, abs=0.005)
        assert study.regimens[Cell(rate, "original_only", "none")] == "original_only"


def test_the_summary_names_every_contrast_and_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    study = read_study([run(tmp_path, "linear")])
    asked = list(contrasts(study))
    counts = {cell.name: held for cell, held in study.cells.items()}
    answers = answer_contrasts(asked, counts, groups=study.documents, seed=RESAMPLING_SEED)
    points = dict(score(study))
    told = summary(study, points, answers, holm([answer.p for answer in answers]), "## Read by a person\n")
    assert [contrast.name for contrast in asked if contrast.name not in told] == []
    assert "## Read by a person\n" in told
    assert f"corrected over all {len(asked)} contrasts" in told
    (panel,) = panels(study, points, answers)
    assert [point.f1 for point in panel.orders[LAST]] == [points[cell].f1 for cell in points if cell.order == LAST]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"schedule": "linear"}, "has the schedule 'linear', as"),
        ({"schedule": "constant", "evaluation": 44}, "is not scored on the sentences that"),
        ({"schedule": "constant", "seeds": (5,)}, "no finished seed in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(other: dict[str, object], problem: str, tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", "linear"), run(tmp_path / "b", **other)]  # type: ignore[arg-type]
    with pytest.raises(InputError, match=problem):
        read_study(runs)
