"""Nested choice: made on inner folds alone, scored on the outer fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import Line
from nerkd_local.experiment.selection import select_regimen

FOLDS = 3


def line(name: str, seeds: range) -> Line:
    pairs = [(a, b) for a in range(FOLDS) for b in range(FOLDS) if a != b]
    return Line(
        name,
        None,
        9,
        {seed: tuple((f"{name}-s{seed}-{fold}", f"fold{fold}") for fold in range(FOLDS)) for seed in seeds},
        {(a, b): {seed: (f"{name}-s{seed}-{min(a, b)}{max(a, b)}", f"fold{b}") for seed in seeds} for a, b in pairs},
    )


def store(folder: RunFolder, name: str, correct: dict[str, int]) -> None:
    """Two sentences a fold; of 4 predicted and 4 true entities in the first, so many are correct."""
    here = folder.student(name)
    here.mkdir(parents=True)
    tables = {fold: np.array([[number, 4, 4], [0, 0, 0]], np.uint16) for fold, number in correct.items()}
    np.savez_compressed(here / "counts.npz", allow_pickle=False, **tables)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunFolder, list[Line], dict[str, Any]]:
    """`a` is better wherever fold 0 is left out too, `b` is better elsewhere; on its own fold, the other is."""
    folder = RunFolder(tmp_path)
    lines = [line("a", range(2)), line("b", range(2))]
    for seed in range(2):
        for name, without_0, elsewhere, outer in (("a", 4, 1, 2), ("b", 2, 3, 3)):
            for fold in range(FOLDS):
                store(folder, f"{name}-s{seed}-{fold}", {f"fold{fold}": outer})
            for pair in ("01", "02", "12"):
                correct = without_0 if "0" in pair else elsewhere
                store(folder, f"{name}-s{seed}-{pair}", {f"fold{fold}": correct for fold in pair})
    results = {path.name: {} for path in (tmp_path / "cells").iterdir()}
    return folder, lines, results


def test_the_outer_fold_is_scored_by_the_line_that_won_on_the_inner_ones(
    runs: tuple[RunFolder, list[Line], dict[str, Any]],
) -> None:
    folder, lines, results = runs
    selection = select_regimen(lines, FOLDS, folder, results)
    assert selection is not None
    # outer 0: both inner folds are scored by students without 0: a (4 > 2).
    # outer 1: inner fold 0 by (0,1): 4 to 2; inner fold 2 by (1,2): 1 to 3; 5 to 5, and of equals the first: a.
    # outer 2: the same.
    assert [chosen.regimen for chosen in selection.chosen] == ["a", "a", "a"]
    assert selection.counts.shape == (2, 6, 3)
    assert selection.counts[0, :, 0].tolist() == [2, 0, 2, 0, 2, 0]


def test_what_is_better_on_the_outer_fold_is_not_looked_at(
    runs: tuple[RunFolder, list[Line], dict[str, Any]],
) -> None:
    folder, lines, results = runs
    selection = select_regimen(lines[::-1], FOLDS, folder, results)
    assert selection is not None
    assert [chosen.regimen for chosen in selection.chosen] == ["a", "b", "b"]
    assert selection.counts[1, :, 0].tolist() == [2, 0, 3, 0, 3, 0]


def test_a_seed_with_a_missing_student_is_left_out(runs: tuple[RunFolder, list[Line], dict[str, Any]]) -> None:
    folder, lines, results = runs
    for name in results:
        rest = {other: result for other, result in results.items() if other != name}
        selection = select_regimen(lines, FOLDS, folder, rest)
        assert selection is not None
        assert selection.seeds == (0,) if "-s1-" in name else (1,)
        assert len(selection.counts) == 1
    assert select_regimen(lines, FOLDS, folder, {}) is None
