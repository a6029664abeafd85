"""Students that are trained together as far as they are the same, and that none of it shows in the results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.errors import InterruptedRun
from nerkd_local.experiment.locks import Busy, held
from nerkd_local.experiment.prefixes import Prefixes
from nerkd_local.experiment.students import Student, course_of, finished_students, is_finished, run_student
from nerkd_local.experiment.worker import Worker
from nerkd_local.files import write_json
from nerkd_local.train.settings import TrainSettings
from tests.experiment.small_students import STEPS, left, new_folder, train_alone, work


@pytest.mark.parametrize("turned", [False, True], ids=["first to last", "last to first"])
def test_shared_beginnings_end_in_the_bits_of_students_trained_alone(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int], turned: bool
) -> None:
    together, alone = new_folder(experiment, "together", students), new_folder(experiment, "alone", students)
    work(students[::-1] if turned else students, experiment, together)
    # simple_mix takes its first half from distilled_only, reverse from original_only, or the other way round
    assert len(steps_done) == 4 * STEPS - 2 * (STEPS // 2)
    for student in students:
        run_student(student, experiment.students, alone, train_alone)
        assert left(together, student.name) == left(alone, student.name), student.name
        assert not (together.student(student.name) / "checkpoints").exists()
    assert not together.prefix("").exists()


def under_two_names(like: Student) -> list[Student]:
    """`linear` has a mean share of one half: the same plan."""
    return [
        Student(name, name, 0, like.original, like.distilled, like.evaluations) for name in ("linear", "linear@0.5")
    ]


def test_a_plan_under_two_names_is_trained_once(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int]
) -> None:
    twins = under_two_names(students[1])
    folder = new_folder(experiment, "twins", twins)
    work(twins, experiment, folder)
    assert len(steps_done) == STEPS
    one, other = (folder.student(twin.name) for twin in twins)
    for name in ("result.json", "counts.npz", "predictions-gold.jsonl"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert finished_students(twins, experiment.students, folder).keys() == {"linear", "linear@0.5"}


def test_a_result_of_other_settings_is_made_again_by_the_worker_itself(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int]
) -> None:
    """Not by a launcher of its own, which nobody could stop: no step of that would be counted here."""
    folder = new_folder(experiment, "stale", students[:1])
    write_json(folder.student(students[0].name) / "result.json", {"made_from": {"training": {}, "evaluation": {}}})
    work(students[:1], experiment, folder)
    assert len(steps_done) == STEPS
    assert finished_students(students[:1], experiment.students, folder).keys() == {students[0].name}


def before_each_step(monkeypatch: pytest.MonkeyPatch, call: Callable[[str, int], None]) -> None:
    """Have `call` called with the student's name and the step's number before each step of any training."""
    from nerkd_local.train import loop

    run_step = loop.run_step

    def hooked(parts: Any, settings: Any, number: int) -> Any:
        call(settings.output.name, number)
        return run_step(parts, settings, number)

    monkeypatch.setattr(loop, "run_step", hooked)


def test_a_beginning_is_held_until_it_is_left_and_no_longer(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # both turn to the original sentences: after a half, and after a quarter of the steps
    distilled_only, half = students[0], students[1]
    quarter = dataclasses.replace(half, name="simple_mix@0.25", regimen="simple_mix@0.25")
    three = [distilled_only, half, quarter]
    folder, alone = new_folder(experiment, "nested", three), new_folder(experiment, "alone", three)
    courses = [course_of(student, experiment.students, folder) for student in three]
    beginnings = Prefixes.of(courses, folder).awaited(distilled_only.name, [])
    assert list(beginnings) == [STEPS // 4, STEPS // 2]
    held_at: dict[int, list[int]] = {}

    def look(name: str, number: int) -> None:
        held_at.setdefault(number, [])
        if name == distilled_only.name:
            for steps, key in beginnings.items():
                try:
                    with held(folder, f"beginning-{key}", wait=False):
                        pass
                except Busy:
                    held_at[number].append(steps)

    before_each_step(monkeypatch, look)
    work(three, experiment, folder)
    assert held_at == {0: [2, 4], 1: [2, 4], 2: [4], 3: [4], 4: [], 5: [], 6: [], 7: []}
    assert len(steps_done) == STEPS + STEPS // 2 + 3 * STEPS // 4
    for student in three:
        run_student(student, experiment.students, alone, train_alone)
        assert left(folder, student.name) == left(alone, student.name), student.name


def test_another_worker_waits_for_a_beginning_and_goes_on_while_the_first_student_is_trained(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = students[:2]
    folder, alone = new_folder(experiment, "two", students[:2]), new_folder(experiment, "alone", students[:2])
    came: list[tuple[int, int]] = []

    def let_another_try(name: str, number: int) -> None:
        if name == first.name:
            began = len(steps_done)
            stops = iter([False, False, True] if number < STEPS // 2 else [])  # gives up where it has to wait
            with suppress(InterruptedRun):
                work([second, first], experiment, folder, lambda: next(stops, is_finished(second, folder)))
            came.append((number, len(steps_done) - began))

    before_each_step(monkeypatch, let_another_try)
    work([first, second], experiment, folder)
    shared = STEPS // 2
    assert came == [(number, STEPS - shared if number == shared else 0) for number in range(STEPS)]
    for student in (first, second):
        run_student(student, experiment.students, alone, train_alone)
        assert left(folder, student.name) == left(alone, student.name), student.name


def test_a_plan_that_another_worker_trains_under_another_name_is_waited_for(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int]
) -> None:
    twins = under_two_names(students[1])
    folder = new_folder(experiment, "twins", twins)
    other = Worker(twins[::-1], experiment.students, folder, lambda: False)
    train, tried = Worker._train, []

    def meanwhile(worker: Worker, student: Student, training: TrainSettings) -> None:
        tried.append(other._try(next(twin for twin in twins if twin != student)))
        train(worker, student, training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_train", meanwhile)
        Worker(twins, experiment.students, folder, lambda: False).work()
    assert tried == [False]
    assert len(steps_done) == STEPS
