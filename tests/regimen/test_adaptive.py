"""The regimen that evidence decides: its law by hand, and what no evidence can change."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.config.folders import configs_folder
from nerkd_local.errors import InputError
from nerkd_local.regimen.adaptive import (
    ORIGINAL,
    Evidence,
    Trust,
    group_of,
    grouped,
    held_out,
    probe_sample,
    probe_steps,
    trust,
)
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.plan import Plan, build_plan, load_plan, replanned, save_plan
from nerkd_local.regimen.schedule import Adaptive, Constant, Linear, Regimen

ORIGINALS = [f"original-{n}" for n in range(40)]
DISTILLED = [*(f"near/{n}" for n in range(60)), *(f"far/{n}" for n in range(30))]


def adaptive_plan(steps: int = 40, seed: int = 3, batch_size: int = 8, **changes: object) -> Plan:
    regimen = Regimen(name="test", schedule=Adaptive.model_validate(changes))
    return build_plan(regimen, ORIGINALS, DISTILLED, steps=steps, batch_size=batch_size, seed=seed)


def test_the_law_by_hand() -> None:
    sizes = {"far/": 30, "near/": 60}
    assert trust(sizes, [], 1.0) == Trust({"far/": 1 / 3, "near/": 2 / 3}, 1.0)
    first = Evidence(4, {ORIGINAL: 1.0, "near/": 0.5, "far/": 0.0})
    # near/ : 60 e^0.5, far/ : 30
    near = 2 * math.exp(0.5) / (2 * math.exp(0.5) + 1)
    found = trust(sizes, [first], 1.0)
    assert found.parts["near/"] == pytest.approx(near)
    assert found.share == pytest.approx(near * 0.5 / 1.0)
    second = Evidence(6, {ORIGINAL: -0.2, "near/": 0.5, "far/": 0.5})  # the originals' harm counts as no help
    both = trust(sizes, [first, second], 1.0)
    assert both.parts["near/"] == pytest.approx(near)  # the second tells the two apart by nothing
    assert both.share == pytest.approx(near * 0.5 + 0.5)


def test_where_nothing_distilled_helps_only_originals_are_left() -> None:
    harm = Evidence(4, {ORIGINAL: 0.8, "near/": -0.3, "far/": -0.1})
    plan = replanned(adaptive_plan(probes=[0.1]), [harm])
    assert all(not step.distilled for step in plan.steps[4:])
    assert any(step.distilled for step in plan.steps[:4])


@pytest.mark.parametrize(("theirs", "share"), [(-0.5, 0.0), (0.0, 1.0), (0.5, 1.0)])
def test_where_the_originals_do_not_help_either_harm_is_not_trusted(theirs: float, share: float) -> None:
    evidence = [Evidence(4, {ORIGINAL: -0.1, "near/": theirs, "far/": theirs})]
    assert trust({"far/": 1, "near/": 1}, evidence, 8.0).share == share


def test_many_originals_are_parted_from_the_fold_in_no_time() -> None:
    many = [f"original-{n}" for n in range(20_000)]
    regimen = Regimen(name="test", schedule=Adaptive())
    began = time.perf_counter()
    build_plan(regimen, many, DISTILLED, steps=4, batch_size=4, seed=0)
    assert time.perf_counter() - began < 1.0  # 2 s and four times that for twice as many, were it done for each


def test_ids_that_name_a_document_for_each_sentence_are_refused() -> None:
    regimen = Regimen(name="test", schedule=Adaptive())
    with pytest.raises(InputError, match="names 65; at most 64"):
        build_plan(regimen, ORIGINALS, [f"document{n}/1" for n in range(65)], steps=4, batch_size=4, seed=0)


def test_an_alignment_without_bounds_is_cut() -> None:
    wild = Evidence(4, {ORIGINAL: 1.0, "near/": 1e6, "far/": -1e6})
    tame = Evidence(4, {ORIGINAL: 1.0, "near/": 2.0, "far/": -1.0})
    sizes = {"far/": 1, "near/": 1}
    assert trust(sizes, [wild], 3.0) == trust(sizes, [tame], 3.0)


def test_with_no_evidence_the_shares_are_the_prior_s() -> None:
    regimen = Regimen(name="linear", schedule=Linear())
    linear = build_plan(regimen, ORIGINALS, DISTILLED, steps=40, batch_size=8, seed=3)
    assert [len(step.distilled) for step in adaptive_plan().steps] == [len(step.distilled) for step in linear.steps]


alignments = st.floats(-3, 3)


@given(
    values=st.lists(st.tuples(alignments, alignments, alignments), max_size=4),
    eta=st.floats(0, 20),
    seed=st.integers(0, 5),
)
def test_evidence_changes_nothing_before_its_step_and_counts_stay_within_one_example(
    values: list[tuple[float, float, float]], eta: float, seed: int
) -> None:
    plan = adaptive_plan(seed=seed, eta=eta, probes=[0.1, 0.2, 0.4, 0.5])
    schedule = plan.adaptive
    assert schedule is not None
    steps = probe_steps(schedule, 40)
    evidence = [
        Evidence(step, dict(zip((ORIGINAL, "near/", "far/"), value, strict=True)))
        for step, value in zip(steps, values, strict=False)
    ]
    before = plan
    for count, each in enumerate(evidence, start=1):
        after = replanned(plan, evidence[:count])
        assert after.steps[: each.step] == before.steps[: each.step]
        before = after
    wanted = 0.0
    parts = {"near/": 0.0, "far/": 0.0}
    shown = {"near/": 0, "far/": 0}
    shares = schedule.prior.over(40)
    for number, step in enumerate(before.steps):
        assert len(step.original) + len(step.distilled) == 8
        belief = trust({"far/": 30, "near/": 60}, [e for e in evidence if e.step <= number], eta)
        wanted += 8 * shares[number] * belief.share
        for name in parts:
            parts[name] += len(step.distilled) * belief.parts[name]
            shown[name] += sum(group_of(id) == name for id in step.distilled)
        assert abs(sum(shown.values()) - wanted) <= 0.5 + 1e-6
        assert all(abs(shown[name] - parts[name]) <= 0.5 + 1e-6 for name in parts)


def test_the_held_out_fold_is_trained_on_only_after_the_last_probe() -> None:
    plan = adaptive_plan(probes=[0.1, 0.5])
    schedule = plan.adaptive
    assert schedule is not None
    fold = set(held_out(ORIGINALS, schedule, plan.seed))
    assert len(fold) == 8  # a fifth
    assert probe_steps(schedule, 40) == [4, 20]
    before = {id for step in plan.steps[:20] for id in step.original}
    assert not fold & before
    assert before <= set(ORIGINALS)
    after = [id for step in plan.steps[20:] for id in step.original]
    assert set(after[: len(fold)]) == fold  # it is read first, once


def test_whatever_is_shown_or_looked_at_is_a_candidate() -> None:
    plan = adaptive_plan(steps=4, sample=5)
    schedule = plan.adaptive
    assert schedule is not None
    found = plan.candidates("distilled")
    assert plan.candidates("original") == set(ORIGINALS)
    for name, ids in grouped(DISTILLED).items():
        only = Evidence(1, {ORIGINAL: 1.0, "near/": -1.0, "far/": -1.0, name: 2.0})
        assert {id for step in replanned(plan, [only]).steps for id in step.distilled} <= found
        for step in probe_steps(schedule, 4):
            assert set(probe_sample(ids, schedule, plan.seed, step)) <= found
    assert len(found) < len(DISTILLED)


def test_a_plan_is_read_as_it_was_saved(tmp_path: Path) -> None:
    plan = adaptive_plan()
    save_plan(plan, tmp_path / "plan.jsonl")
    read = load_plan(tmp_path / "plan.jsonl")
    assert read == plan
    evidence = [Evidence(4, {ORIGINAL: 1.0, "near/": 0.5, "far/": 0.1})]
    assert replanned(read, evidence) == replanned(plan, evidence)


def test_a_plan_whose_ids_were_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    save_plan(adaptive_plan(), path)
    head, rest = path.read_text().split("\n", 1)
    assert '"near/59"' in head
    path.write_text(head.replace('"near/59"', '"near/60"') + "\n" + rest)
    with pytest.raises(InputError, match="was changed after it was built"):
        load_plan(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.pop("ids"),
        lambda head: head["ids"]["original"].append(7),
        lambda head: head["regimen"]["schedule"].update(shape="linear"),
        lambda head: head["regimen"]["schedule"].update(of_an_earlier_version=1),
    ],
)
def test_a_plan_whose_first_line_does_not_hold_together_is_refused(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    save_plan(adaptive_plan(), path)
    first, rest = path.read_text().split("\n", 1)
    head = json.loads(first)
    change(head)
    path.write_text(json.dumps(head) + "\n" + rest)
    with pytest.raises(InputError, match="first line is damaged"):
        load_plan(path)


def test_the_plans_of_other_regimens_take_no_evidence() -> None:
    regimen = Regimen(name="mixed", schedule=Constant(share="proportional"))
    plan = build_plan(regimen, ORIGINALS, DISTILLED, steps=4, batch_size=8, seed=0)
    assert plan.adaptive is None
    assert plan.candidates("original") == set()
    with pytest.raises(ValueError, match="takes no evidence"):
        replanned(plan, [])


def test_one_original_cannot_be_held_out() -> None:
    regimen = Regimen(name="test", schedule=Adaptive())
    with pytest.raises(InputError, match="at least 2 are needed"):
        build_plan(regimen, ["alone"], DISTILLED, steps=10, batch_size=4, seed=0)


def test_the_shipped_one_can_be_matched_by_its_prior() -> None:
    regimen = load_regimen("adaptive@0.4", configs_folder("regimens"))
    plan = build_plan(regimen, ORIGINALS, DISTILLED, steps=50, batch_size=8, seed=0)
    assert plan.examples["distilled"] == pytest.approx(0.4 * 400, abs=1)


def test_an_id_without_a_slash_belongs_to_one_group_with_its_like() -> None:
    assert group_of("conll/7") == "conll/"
    assert group_of("seven") == ""
    assert list(grouped(["b", "a", "x/1"])) == ["", "x/"]
