"""Plans: whole batches, the same order under every regimen, and a fingerprint that notices changes."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.regimen.plan import Plan, PlanStep, build_plan, load_plan, save_plan
from nerkd_local.regimen.schedule import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Power,
    Regimen,
    Sigmoid,
    Step,
)

SCHEDULES = [
    Constant(share=0.0),
    Constant(share=1.0),
    Constant(share="proportional"),
    Step(),
    Step(reverse=True),
    Linear(),
    Cosine(),
    Exponential(k=5),
    Sigmoid(k=10),
    Power(),
    Power(reading="one_minus_power"),
]
ORIGINALS = [f"human:{n}" for n in range(7)]
DISTILLED = [f"llm:{n}" for n in range(11)]


def plan_of(schedule, originals=ORIGINALS, distilled=DISTILLED, *, steps=4, batch_size=4, seed=0) -> Plan:
    regimen = Regimen(name="test", schedule=schedule)
    return build_plan(regimen, originals, distilled, steps=steps, batch_size=batch_size, seed=seed)


def stream(plan: Plan, source: str) -> list[str]:
    return [id for step in plan.steps for id in getattr(step, source)]


def test_a_linear_plan_has_the_counts_of_the_hand_derived_table():
    plan = plan_of(Linear())
    assert [(len(step.original), len(step.distilled)) for step in plan.steps] == [
        (0, 4),
        (2, 2),
        (2, 2),
        (4, 0),
    ]
    assert plan.examples == {"original": 8, "distilled": 8}
    assert plan.passes == {"original": 8 / 7, "distilled": 8 / 11}


def test_mixed_takes_the_sources_in_proportion_to_their_sizes():
    plan = plan_of(Constant(share="proportional"), steps=18, batch_size=10)
    assert plan.examples == {"original": 70, "distilled": 110}
    assert plan.passes == {"original": 10.0, "distilled": 10.0}
    assert plan.regimen["schedule"] == {"shape": "constant", "share": 11 / 18}


@given(st.sampled_from(SCHEDULES), st.integers(1, 12), st.integers(1, 9), st.integers(0, 3))
def test_every_batch_is_full_and_every_pass_without_repeats(schedule, steps, batch_size, seed):
    plan = plan_of(schedule, steps=steps, batch_size=batch_size, seed=seed)
    assert all(len(step.original) + len(step.distilled) == batch_size for step in plan.steps)
    for source, ids in (("original", ORIGINALS), ("distilled", DISTILLED)):
        read = stream(plan, source)
        for begin in range(0, len(read), len(ids)):
            part = read[begin : begin + len(ids)]
            assert len(set(part)) == len(part)
            assert set(part) <= set(ids)


@given(
    st.sampled_from(SCHEDULES),
    st.sampled_from(SCHEDULES),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 9),
)
def test_every_regimen_reads_each_source_in_the_same_order(first, second, steps, other_steps, batch_size):
    plans = (
        plan_of(first, steps=steps, batch_size=batch_size),
        plan_of(second, steps=other_steps, batch_size=3),
    )
    for source in ("original", "distilled"):
        one, other = (stream(plan, source) for plan in plans)
        common = min(len(one), len(other))
        assert one[:common] == other[:common]


def test_a_longer_run_of_one_regimen_reads_on_where_the_shorter_one_ended():
    short, long = plan_of(Constant(share=0.5), steps=3), plan_of(Constant(share=0.5), steps=9)
    assert long.steps[:3] == short.steps


@given(st.sampled_from(SCHEDULES), st.integers(0, 3), st.integers(1, 6))
@settings(max_examples=25)
def test_a_saved_plan_loads_equal(tmp_path_factory, schedule, seed, steps):
    plan = plan_of(schedule, ["a\u2028b", 'c"d', "é"], ["𝒙", " ", ""], steps=steps, seed=seed)
    path = tmp_path_factory.mktemp("plan") / "plan.jsonl"
    save_plan(plan, path)
    loaded = load_plan(path)
    assert loaded == plan
    assert loaded.fingerprint == plan.fingerprint


def test_the_same_request_gives_the_same_file_whatever_the_order_of_the_ids(tmp_path):
    save_plan(plan_of(Linear()), tmp_path / "one.jsonl")
    save_plan(plan_of(Linear(), ORIGINALS[::-1], DISTILLED[::-1]), tmp_path / "two.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_the_fingerprint_of_a_small_plan_is_pinned():
    """A change of it makes every saved plan unreadable: then the format's number has to rise."""
    assert plan_of(Linear()).fingerprint == "b5d88f89c050e67a94ec5a273311064b372c56f4d8cc4cd410c94683993b9d7a"


def changes() -> list[Plan]:
    plan = plan_of(Linear())
    first = plan.steps[0]
    return [
        plan_of(Linear(), seed=1),
        plan_of(Linear(), steps=5),
        plan_of(Linear(), batch_size=5),
        plan_of(Cosine()),
        # an id that is never read still changes the plan: it is another source
        plan_of(Linear(), distilled=[*DISTILLED, "llm:11"]),
        dataclasses.replace(plan, regimen={**plan.regimen, "name": "other"}),
        dataclasses.replace(plan, steps=(PlanStep(first.original, first.distilled[::-1]), *plan.steps[1:])),
        dataclasses.replace(plan, steps=(PlanStep(first.distilled, first.original), *plan.steps[1:])),
        dataclasses.replace(plan, steps=plan.steps[::-1]),
        dataclasses.replace(plan, original=plan.distilled, distilled=plan.original),
    ]


def test_every_change_changes_the_fingerprint():
    fingerprints = [plan.fingerprint for plan in [plan_of(Linear()), *changes()]]
    assert len(set(fingerprints)) == len(fingerprints)


@pytest.mark.parametrize(
    ("schedule", "originals", "distilled", "message"),
    [
        (Linear(), [], DISTILLED, "'test' needs 8 original examples, and that source is empty"),
        (Linear(), ORIGINALS, [], "'test' needs 8 distilled examples, and that source is empty"),
        (Constant(share=0.0), [], DISTILLED, "needs 16 original examples"),
        (Constant(share="proportional"), [], [], "both sources are empty"),
        (Linear(), ["a", "a"], DISTILLED, "'a' occurs twice in the original source"),
    ],
)
def test_sources_that_do_not_fit_the_regimen_are_refused(schedule, originals, distilled, message):
    with pytest.raises(InputError, match=message):
        plan_of(schedule, originals, distilled)


def test_an_empty_source_that_is_not_needed_is_fine():
    plan = plan_of(Constant(share=0.0), distilled=[])
    assert plan.examples == {"original": 16, "distilled": 0}
    assert plan.passes["distilled"] == 0.0


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch_size": 0}, {"steps": -1}])
def test_a_run_without_steps_or_examples_is_refused(wrong):
    with pytest.raises(InputError, match="at least 1 is needed"):
        plan_of(Linear(), **wrong)


@pytest.fixture
def lines(tmp_path) -> list[dict]:
    save_plan(plan_of(Linear()), tmp_path / "plan.jsonl")
    return [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()]


def load_changed(tmp_path, lines):
    path = tmp_path / "changed.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load_plan(path)


def test_the_lines_of_a_plan_load_when_nothing_is_changed(tmp_path, lines):
    assert load_changed(tmp_path, lines) == plan_of(Linear())


@pytest.mark.parametrize("key", ["regimen", "seed", "original", "distilled", "fingerprint"])
def test_a_header_changed_by_hand_is_refused(tmp_path, lines, key):
    lines[0][key] = {
        "regimen": {**lines[0]["regimen"], "name": "other"},
        "seed": 5,
        "original": lines[0]["distilled"],
        "distilled": lines[0]["original"],
        "fingerprint": "0" * 64,
    }[key]
    with pytest.raises(InputError, match=r"changed\.jsonl: was changed after it was built"):
        load_changed(tmp_path, lines)


def test_two_examples_swapped_by_hand_are_refused(tmp_path, lines):
    ids = lines[1]["distilled"]
    ids[0], ids[1] = ids[1], ids[0]
    with pytest.raises(InputError, match="was changed after it was built"):
        load_changed(tmp_path, lines)


def test_a_batch_of_another_size_is_refused_with_its_line(tmp_path, lines):
    lines[2]["original"].pop()
    with pytest.raises(InputError, match=r"changed\.jsonl:3: a batch of 3 examples where the first line says 4"):
        load_changed(tmp_path, lines)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"step": 2, "original": [], "distilled": ["a"] * 4}, r":3: step 1 of the plan was expected"),
        ({"step": 1, "original": []}, r":3: step 1 of the plan was expected"),
        ({"step": 1, "original": "abcd", "distilled": []}, r":3: 'original' is not a list of ids"),
        ({"step": 1, "original": [], "distilled": [1, 2, 3, 4]}, r":3: 'distilled' is not a list of ids"),
    ],
)
def test_a_damaged_step_is_refused_with_its_line(tmp_path, lines, line, expected):
    lines[2] = line
    with pytest.raises(InputError, match=expected):
        load_changed(tmp_path, lines)


def test_a_plan_that_ends_early_is_refused(tmp_path, lines):
    with pytest.raises(InputError, match="has 3 steps and announces 4"):
        load_changed(tmp_path, lines[:-1])


@pytest.mark.parametrize("header", [[], [{}], [{"format": "nerkd plan 9"}], [{"id": "x", "text": "y"}]])
def test_a_file_that_is_no_plan_is_refused(tmp_path, header):
    with pytest.raises(InputError, match=r"changed\.jsonl:1: is not a plan"):
        load_changed(tmp_path, header)


@pytest.mark.parametrize("key", ["seed", "regimen", "original", "steps", "fingerprint"])
def test_a_header_without_one_of_its_keys_is_refused(tmp_path, lines, key):
    del lines[0][key]
    with pytest.raises(InputError, match="first line is damaged"):
        load_changed(tmp_path, lines)
