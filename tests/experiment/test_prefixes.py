"""Where students part, who waits for whom, and what is left and taken over on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prefixes import Course, Prefixes
from nerkd_local.regimen.plan import Plan, PlanStep, Pool, build_plan
from nerkd_local.regimen.schedule import Adaptive, Regimen
from nerkd_local.student.checkpoint import newest_checkpoint, save_checkpoint
from nerkd_local.train.exposure import ExposureLedger, replay
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.loop import Step

STEPS = 20
SETTINGS = {"original": "o", "distilled": "d", "learning_rate": 2e-4}


def course(name: str, sources: str, **changes: Any) -> Course:
    """One example a step: of the original ("o"), the distilled ("d") or another one of the distilled ("D")."""
    steps = tuple(PlanStep(("a",), ()) if source == "o" else PlanStep((), (source,)) for source in sources)
    pool = Pool(2, "0" * 64)
    plan = Plan({"name": name}, 0, 1, pool, pool, steps)
    return Course(name, plan, {"plan": plan.prefixes[-1], **SETTINGS, **changes})


ALL = course("all", "d" * STEPS)
HALF = course("half", "d" * 10 + "o" * 10)
QUARTER = course("quarter", "d" * 5 + "o" * 15)


def test_a_beginning_is_the_same_where_all_that_decides_it_is() -> None:
    key = ALL.key(10)
    assert HALF.key(10) == key
    assert HALF.key(11) != ALL.key(11)
    # no original sentence is shown before they part
    assert course("other", "d" * 10 + "o" * 10, original="another").key(10) == key
    assert course("other", "d" * 10 + "o" * 10, original="another").key(11) != HALF.key(11)
    for change in ({"distilled": "another"}, {"learning_rate": 1e-4}):
        assert course("other", "d" * STEPS, **change).key(10) != key
    assert course("longer", "d" * (STEPS + 1)).key(10) != key  # its learning rate falls more slowly


def test_two_that_decide_as_they_go_are_not_one_for_beginning_alike() -> None:
    keys = set()
    for eta in (2.0, 8.0):
        regimen = Regimen(name="adaptive", schedule=Adaptive(eta=eta))
        plan = build_plan(regimen, ["a", "b", "c"], ["x/d", "y/e"], steps=STEPS, batch_size=2, seed=0)
        keys.add(Course(f"eta {eta:g}", plan, {"plan": plan.identity, **SETTINGS}).key(STEPS))
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("courses", "parting"),
    [
        ([ALL, HALF, QUARTER], {"all": [5, 10], "half": [5, 10], "quarter": [5]}),
        ([ALL, course("again", "d" * STEPS)], {}),  # they never part
        ([ALL, course("early", "dd" + "o" * 18)], {}),  # sooner trained than a checkpoint is written and read
        ([ALL, course("none", "o" * STEPS)], {}),
        ([ALL, course("last", "d" * 19 + "D")], {"all": [19], "last": [19]}),
        ([ALL, course("faster", "d" * 10 + "o" * 10, learning_rate=1e-3)], {}),
        ([], {}),
    ],
)
def test_where_students_part(tmp_path: Path, courses: list[Course], parting: dict[str, list[int]]) -> None:
    assert Prefixes.of(courses, RunFolder(tmp_path)).parting == parting
    assert Prefixes.of(courses[::-1], RunFolder(tmp_path)).parting == parting


def train_to(prefixes: Prefixes, name: str, steps: int) -> None:
    """What a run leaves after so many steps: its ledger, and a checkpoint."""
    run = TrainFolder(prefixes.folder.student(name))
    run.output.mkdir(parents=True, exist_ok=True)
    kept = run.exposure.cut(steps)
    for number in range(kept, steps):
        planned = prefixes.courses[name].plan.steps[number]
        run.exposure.add(Step(number, (1.0, 1.0), (1, 1), (1, 1), 0.1), planned)
    weights = {"model": {"w": torch.full((2,), float(steps))}}
    meta = {"fingerprints": dict(prefixes.courses[name].fingerprints)}
    save_checkpoint(run.checkpoints, steps, weights, meta, keep=1)


@pytest.fixture
def prefixes(tmp_path: Path) -> Prefixes:
    return Prefixes.of([ALL, HALF, QUARTER], RunFolder(tmp_path))


def test_a_student_goes_on_from_the_longest_beginning_that_is_left(prefixes: Prefixes) -> None:
    prefixes.begin("all")  # nothing is left yet
    assert not prefixes.folder.student("all").exists()
    assert prefixes.wanted("all") == [5, 10]
    for steps in (5, 7, 10):
        train_to(prefixes, "all", steps)
        prefixes.leave("all", steps)  # at 7 nobody parts
    assert prefixes.wanted("all") == []
    for name, steps in (("half", 10), ("quarter", 5)):
        prefixes.begin(name)
        run = TrainFolder(prefixes.folder.student(name))
        checkpoint = newest_checkpoint(run.checkpoints)
        assert checkpoint is not None
        assert checkpoint.step == steps
        assert checkpoint.meta["fingerprints"] == dict(prefixes.courses[name].fingerprints)
        assert checkpoint.tensors("model")["w"].tolist() == [steps, steps]
        plan = prefixes.courses[name].plan
        assert replay(run.exposure.path, replace(plan, steps=plan.steps[:steps])) == {"original": 0, "distilled": steps}


def test_a_student_that_has_begun_is_left_as_it_is(prefixes: Prefixes) -> None:
    train_to(prefixes, "half", 3)
    train_to(prefixes, "all", 10)
    prefixes.leave("all", 10)
    prefixes.begin("half")
    checkpoint = newest_checkpoint(TrainFolder(prefixes.folder.student("half")).checkpoints)
    assert checkpoint is not None
    assert checkpoint.step == 3


def test_the_student_that_left_a_beginning_goes_on_writing_its_own_ledger(prefixes: Prefixes) -> None:
    train_to(prefixes, "all", 10)
    prefixes.leave("all", 10)
    train_to(prefixes, "all", 12)
    left = ExposureLedger(prefixes.folder.prefix(ALL.key(10)) / "exposure.jsonl")
    assert left.path.read_text().count("\n") == 10


def test_a_damaged_beginning_is_not_taken(prefixes: Prefixes, capsys: pytest.CaptureFixture[str]) -> None:
    for steps in (5, 10):
        train_to(prefixes, "all", steps)
        prefixes.leave("all", steps)
    weights = prefixes.folder.prefix(ALL.key(10)) / "step-00000010" / "model.safetensors"
    weights.write_bytes(b"")
    prefixes.begin("half")
    checkpoint = newest_checkpoint(TrainFolder(prefixes.folder.student("half")).checkpoints)
    assert checkpoint is not None
    assert checkpoint.step == 5
    assert "set aside as damaged-step-00000010" in capsys.readouterr().err


def test_what_is_waited_for(prefixes: Prefixes) -> None:
    keys = {5: ALL.key(5), 10: ALL.key(10)}
    assert prefixes.awaited("all", []) == prefixes.awaited("half", []) == keys
    assert list(prefixes.awaited("all", [])) == [5, 10]  # who takes them in turn cannot be held up by one behind
    assert prefixes.awaited("quarter", []) == {5: keys[5]}
    # nobody else needs the longer one, or neither
    assert prefixes.awaited("all", ["half"]) == {5: keys[5]}
    assert prefixes.awaited("all", ["half", "quarter"]) == {}
    train_to(prefixes, "all", 5)
    prefixes.leave("all", 5)
    assert prefixes.awaited("half", []) == {10: keys[10]}
    assert prefixes.awaited("quarter", []) == {}
    train_to(prefixes, "all", 10)
    prefixes.leave("all", 10)
    assert prefixes.awaited("half", []) == prefixes.awaited("all", []) == {}


def test_beginnings_are_removed_with_the_last_student_that_has_them(prefixes: Prefixes) -> None:
    for steps in (5, 10):
        train_to(prefixes, "all", steps)
        prefixes.leave("all", steps)
    half_made = prefixes.folder.prefix(ALL.key(10)).with_suffix(".half")  # of a process that was killed
    half_made.mkdir()
    prefixes.forget(["all", "quarter"])
    assert prefixes.folder.prefix(ALL.key(5)).is_dir()
    prefixes.forget(["all", "half"])
    assert not prefixes.folder.prefix(ALL.key(10)).exists()
    assert not half_made.exists()
    assert prefixes.folder.prefix(ALL.key(5)).is_dir()
    prefixes.forget(["all", "half", "quarter"])
    assert not prefixes.folder.prefix("").exists()
