"""Which lines are looked at closely: the reference, the leader and the paper's, or those named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.evidence.chosen import choose_lines, f1_by_seed, line_name, mean_f1, typical_seed
from nerkd_local.evidence.run import Run, open_run
from tests.evidence.runs import write_run


def names(run: Run, size: int = 10, **how: object) -> list[str]:
    chosen = choose_lines(run, size, **how)  # type: ignore[arg-type]
    assert chosen is not None
    assert chosen.size == size
    return [line_name(run, line) for line in chosen.lines]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    regimens = ("original_only", "distilled_only", "simple_mix", "linear")
    skills = {"original_only": 0.5, "distilled_only": 0.6, "simple_mix": 0.75, "linear": 0.95}
    root = tmp_path_factory.mktemp("run")
    return open_run(write_run(root, regimens=regimens, skills=skills, sizes=(10,), seeds=(0, 1, 2)).output)


def test_reference_leader_and_simple_mix(run: Run) -> None:
    assert names(run) == ["original_only", "linear", "simple_mix"]


def test_others_by_name(run: Run) -> None:
    assert names(run, others=("distilled_only", "original_only")) == ["original_only", "distilled_only"]
    assert names(run, reference="linear") == ["linear", "simple_mix"]
    assert choose_lines(run, 10, others=("nobody",)) is None
    assert choose_lines(run, 11) is None


def test_without_the_reference_the_first_line_that_does_not_lead(tmp_path: Path) -> None:
    skills = {"simple_mix": 0.9, "linear": 0.5}
    made = write_run(tmp_path, regimens=("simple_mix", "linear"), skills=skills, sizes=(10,), seeds=(0,))
    assert names(open_run(made.output)) == ["linear", "simple_mix"]


def test_a_line_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    made = write_run(tmp_path, regimens=("simple_mix",), sizes=(10,), seeds=(0,))
    assert choose_lines(open_run(made.output), 10) is None


def test_several_mixes_are_named_and_simple_mix_is_the_leader_s(tmp_path: Path) -> None:
    sources = [{"name": name, "corpus": {"path": "news.jsonl"}} for name in ("news", "more")]
    more = {"distilled": sources, "mixes": [{"sources": ["news"]}, {"sources": ["more"]}]}
    made = open_run(write_run(tmp_path, sizes=(10,), seeds=(0,), more=more).output)
    found = names(made)
    assert found[0] == "original_only"
    assert found[1].endswith(("(news)", "(more)"))
    leader = max((line for line in made.lines), key=lambda line: mean_f1(made, line))
    if leader.regimen != "simple_mix":
        assert found[2] == f"simple_mix ({leader.mix})"


def test_the_typical_seed_is_nearest_the_mean(run: Run) -> None:
    for line in run.lines:
        values = f1_by_seed(run, line)
        mean = mean_f1(run, line)
        nearest = typical_seed(run, line)
        assert all(abs(values[nearest] - mean) <= abs(value - mean) for value in values.values())
        rest = [seed for seed in values if seed != nearest]
        assert typical_seed(run, line, rest) in rest
