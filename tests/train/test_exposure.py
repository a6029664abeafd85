"""The ledger against the plan: every way to differ is found, and what a kill tore is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import CheckFailed, InputError
from nerkd_local.regimen.plan import Plan
from nerkd_local.train.exposure import ExposureLedger, replay
from nerkd_local.train.loop import Step
from tests.train.conftest import make_plan

STEPS = 5
PLAN = make_plan(STEPS)


def written(path: Path, plan: Plan = PLAN) -> ExposureLedger:
    ledger = ExposureLedger(path)
    for number, planned in enumerate(plan.steps):
        ledger.add(Step(number, (2.0, 3.0), (4, 0), (6, 2), 0.1), planned)
    ledger.keep()
    return ledger


def test_a_line_says_what_a_step_has_shown(tmp_path: Path) -> None:
    ledger = written(tmp_path / "exposure.jsonl")
    assert json.loads(ledger.path.read_text().splitlines()[1]) == {
        "step": 1,
        "learning_rate": 0.1,
        "original": {"ids": ["original:3"], "words": 4, "tokens": 6, "loss": 0.5},
        # two sentences of which no word has a sub-token: there is no mean
        "distilled": {"ids": ["distilled:3", "distilled:4"], "words": 0, "tokens": 2, "loss": None},
    }


def test_a_ledger_that_is_the_plan_replays_to_its_counts(tmp_path: Path) -> None:
    ledger = written(tmp_path / "exposure.jsonl")
    assert replay(ledger.path, PLAN) == PLAN.examples == {"original": 8, "distilled": 7}  # 2 + 1 + 2 + 1 + 2


Rows = list[dict[str, Any]]


def change_an_id(rows: Rows) -> Rows:
    rows[2]["distilled"]["ids"][0] = "distilled:0"
    return rows


def move_an_example_to_the_other_source(rows: Rows) -> Rows:
    rows[2]["distilled"]["ids"].append(rows[2]["original"]["ids"].pop())
    return rows


def turn_a_batch_round(rows: Rows) -> Rows:
    rows[2]["original"]["ids"].reverse()
    return rows


def leave_an_example_out(rows: Rows) -> Rows:
    rows[2]["original"]["ids"].pop()
    return rows


def show_an_example_twice(rows: Rows) -> Rows:
    rows[2]["original"]["ids"].append(rows[2]["original"]["ids"][0])
    return rows


def swap_two_steps(rows: Rows) -> Rows:
    rows[2:4] = rows[3], rows[2]
    return rows


def leave_a_step_out(rows: Rows) -> Rows:
    return rows[:2] + rows[3:]


def do_a_step_twice(rows: Rows) -> Rows:
    return [*rows[:2], rows[1], *rows[2:]]


def number_a_step_wrongly(rows: Rows) -> Rows:
    rows[2]["step"] = 7
    return rows


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_an_id, "jsonl:3: step 2 was not trained on the plan's examples"),
        (move_an_example_to_the_other_source, "jsonl:3: step 2 was not trained on the plan's examples"),
        (turn_a_batch_round, "jsonl:3: step 2 was not trained on the plan's examples"),
        (leave_an_example_out, "jsonl:3: step 2 was not trained on the plan's examples"),
        (show_an_example_twice, "jsonl:3: step 2 was not trained on the plan's examples"),
        (swap_two_steps, "jsonl:3: step 2 was not trained on the plan's examples"),
        (leave_a_step_out, "jsonl:3: step 2 was not trained on the plan's examples"),
        (do_a_step_twice, "jsonl:3: step 2 was not trained on the plan's examples"),
        (number_a_step_wrongly, "jsonl:3: step 2 was not trained on the plan's examples"),
        (lambda rows: rows[:-1], "holds 4 of the plan's 5 steps"),
        (lambda rows: [], "holds 0 of the plan's 5 steps"),
        (lambda rows: [*rows, rows[-1]], "jsonl:6: a step more than the plan's 5"),
    ],
)
def test_a_ledger_that_is_not_the_plan_is_found_out(tmp_path: Path, change: Callable[[Rows], Rows], says: str) -> None:
    ledger = written(tmp_path / "exposure.jsonl")
    rows = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    ledger.path.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))
    with pytest.raises(CheckFailed, match=says):
        replay(ledger.path, PLAN)


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"step": 0, "original": 3, "distilled": {"ids": []}}',
        '{"step": 0, "original": {}, "distilled": {}}',
        '{"step": 0, "original": {"ids": null}, "distilled": {"ids": []}}',
        "[]",
        "step 0",
    ],
)
def test_what_is_no_ledger_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "exposure.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match="jsonl:1: "):
        replay(path, PLAN)


@given(steps=st.integers(0, STEPS), torn=st.integers(0, 10_000))
def test_wherever_a_kill_tore_it_what_a_checkpoint_knows_is_kept(
    tmp_path_factory: pytest.TempPathFactory, steps: int, torn: int
) -> None:
    """`keep` has put the first steps on the disk; of the others there is anything up to all."""
    ledger = written(tmp_path_factory.mktemp("torn") / "exposure.jsonl", named_in_greek())
    whole = ledger.path.read_bytes()
    lines = whole.split(b"\n")
    known = len(b"".join(line + b"\n" for line in lines[:steps]))
    ledger.path.write_bytes(whole[: known + torn % (len(whole) - known + 1)])
    ledger.cut(steps)
    assert ledger.path.read_bytes() == whole[:known]
    # and the run goes on from there
    for number in range(steps, STEPS):
        ledger.add(Step(number, (2.0, 3.0), (4, 0), (6, 2), 0.1), named_in_greek().steps[number])
    assert ledger.path.read_bytes() == whole


def named_in_greek() -> Plan:
    """A plan whose ids have characters of two bytes: a kill may cut one in half."""
    source = make_plan(STEPS)
    steps = tuple(
        type(step)(tuple(f"α{id}" for id in step.original), tuple(f"ω{id}" for id in step.distilled))
        for step in source.steps
    )
    return replace(source, steps=steps)


def test_a_ledger_that_is_not_there_yet_is_cut_to_nothing(tmp_path: Path) -> None:
    ledger = ExposureLedger(tmp_path / "exposure.jsonl")
    ledger.keep()
    ledger.cut(0)
    assert ledger.path.read_text() == ""
