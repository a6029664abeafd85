"""What another seed moves: distances between students that differ in nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nerkd_local.evidence.noise import F1, SeedNoise, Spread, score_value
from nerkd_local.evidence.run import open_run
from tests.evidence.runs import write_run


def test_the_bound_is_the_distance_that_95_of_100_pairs_do_not_exceed() -> None:
    # 21 seeds at 0, 1, ..., 20: 210 pairs, of which (21 - d) are d apart. 199 pairs (94.8 %) are at most 15 apart and
    # 204 at most 16: the bound is 15 at the rank 0.95 * 209 = 198.55, taken upwards to 199 (counted from 0)
    spread = Spread.of([[float(value) for value in range(21)]])
    assert len(spread.distances) == 210
    assert spread.distances[199] == spread.bound() == 16.0


def test_of_few_pairs_the_largest_counts() -> None:
    spread = Spread.of([[0.70, 0.72], [0.60, 0.61], [0.5]])
    assert spread.distances == pytest.approx((0.01, 0.02))
    assert spread.bound() == pytest.approx(0.02)


def test_a_mean_over_k_seeds_moves_by_the_square_root_of_k_less() -> None:
    spread = Spread.of([[0.1, 0.3]])
    assert spread.bound(4) == pytest.approx(0.1)


def test_one_seed_tells_nothing() -> None:
    assert Spread.of([[0.7], [0.8]]).bound() is None
    assert Spread.of([]).bound(3) is None


def test_means_of_other_seeds_stay_within_the_bound() -> None:
    # 40 lines of 5 seeds make the bound; then two means over 5 other seeds each, 2,000 times
    random = np.random.default_rng(7)
    spread = Spread.of(random.normal(0.7, 0.01, (40, 5)).tolist())
    means = random.normal(0.7, 0.01, (2000, 2, 5)).mean(axis=2)
    bound = spread.bound(5)
    assert bound is not None
    inside = float(np.mean(np.abs(means[:, 0] - means[:, 1]) <= bound))
    assert 0.92 < inside < 0.98


def test_spreads_are_of_the_same_size_and_of_every_number(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path, seeds=(0, 1)).output)
    noise = SeedNoise(run)
    for size in (10, 20):
        mixes = {"original_only": "", "simple_mix": "-news", "linear": "-news"}
        values = {
            regimen: [
                score_value(run.results[f"{regimen}-n{size}{mix}-seed{seed}"], "evaluation", F1) for seed in (0, 1)
            ]
            for regimen, mix in mixes.items()
        }
        expected = sorted(abs(a - b) for a, b in values.values() if a is not None and b is not None)
        assert noise.of_score(f"linear-n{size}-news-seed1", "evaluation", F1).distances == pytest.approx(expected)
        # without folds, a line's F1 of a seed is that student's
        assert noise.of_line(size, "f1").distances == pytest.approx(expected)
        differences = [
            abs((values[regimen][0] - values["original_only"][0]) - (values[regimen][1] - values["original_only"][1]))  # type: ignore[operator]
            for regimen in ("simple_mix", "linear")
        ]
        assert noise.of_line(size, "difference").distances == pytest.approx(sorted(differences))
    recall = noise.of_score("linear-n10-news-seed0", "evaluation", ("PER", "strict", "recall"))
    assert len(recall.distances) == 3


def test_a_student_under_two_names_counts_once(tmp_path: Path) -> None:
    # at a mean share of one half, power decay is linear: equal plans
    settings = write_run(tmp_path, regimens=("original_only", "linear", "power_decay@0.5"), sizes=(10,), seeds=(0, 1))
    run = open_run(settings.output)
    same = [run.results[f"{name}-n10-news-seed0"]["made_from"] for name in ("linear", "power_decay@0.5")]
    assert same[0] == same[1]
    assert len(SeedNoise(run).of_score("linear-n10-news-seed0", "evaluation", F1).distances) == 2
    assert len(SeedNoise(run).of_line(10, "f1").distances) == 2


def test_with_folds_students_are_compared_fold_by_fold(tmp_path: Path) -> None:
    folds = {"folds": {"count": 3, "nested": False}}
    run = open_run(write_run(tmp_path, regimens=("original_only",), sizes=(20,), seeds=(0, 1), more=folds).output)
    # a pair of seeds for each of three folds, and one of the line over all folds
    assert len(SeedNoise(run).of_score("original_only-n20-seed0-without1", "fold1", F1).distances) == 3
    assert len(SeedNoise(run).of_line(20, "f1").distances) == 1
