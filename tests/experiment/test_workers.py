"""Students by workers: what is shared, what is done once, and that none of it shows in the results."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError, InterruptedRun, NerkdError
from nerkd_local.experiment import workers
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.locks import Busy, held
from nerkd_local.experiment.prefixes import Prefixes
from nerkd_local.experiment.students import Student, course_of, finished_students, is_finished, run_student
from nerkd_local.experiment.worker import Worker
from nerkd_local.files import read_json, write_json
from nerkd_local.records import Document, Span, from_words
from nerkd_local.regimen.plan import load_plan
from nerkd_local.settings import save_settings
from nerkd_local.train.exposure import replay
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from tests.waiting import wait_until

STEPS = 8


def sentences(source: str, words: Sequence[str]) -> list[Document]:
    made = []
    for number in range(6):
        text = ["anna", "lives", "in", "paris", *words[:number]]
        made.append(from_words(f"{source}:{number}", text, (Span(0, 4, "PER"), Span(14, 19, "LOC"))))
    return made


@pytest.fixture
def experiment(settings: ExperimentSettings, tiny_encoder: Path) -> ExperimentSettings:
    values = settings.model_dump()
    training = {"steps": STEPS, "batch_size": 3, "max_tokens": 32, "stride": 8, "precision": "fp32", "threads": 1}
    return ExperimentSettings.model_validate({**values, "student": tiny_encoder, "training": training})


@pytest.fixture
def students(tmp_path: Path) -> list[Student]:
    # no word of one source's ends is one of the other's: other rows of the embedding table are in use
    files = {
        "original": sentences("original", ["karl", "works", "near", "9"]),
        "distilled": sentences("distilled", ["the", "old", "town", "7"]),
        "gold": sentences("gold", ["berlin", "and", "x"]),
    }
    for name, documents in files.items():
        write_documents(tmp_path / f"{name}.jsonl", documents)
    original, distilled = tmp_path / "original.jsonl", tmp_path / "distilled.jsonl"
    uses = {
        "distilled_only": (None, distilled),
        "simple_mix": (original, distilled),
        "original_only": (original, None),
        "reverse": (original, distilled),
    }
    return [
        Student(name, name, 0, first, second, {"gold": tmp_path / "gold.jsonl"})
        for name, (first, second) in uses.items()
    ]


def new_folder(settings: ExperimentSettings, name: str, students: Sequence[Student]) -> RunFolder:
    folder = RunFolder(settings.output.parent / name)
    folder.root.mkdir()
    save_settings(settings, folder.settings)
    write_json(folder.students, [workers._plain(student) for student in students])
    return folder


def work(
    students: Sequence[Student], settings: ExperimentSettings, folder: RunFolder, stop: Any = lambda: False
) -> None:
    Worker(students, settings, folder, stop).work()


def train_alone(student: Student, settings: TrainSettings) -> None:
    train(settings)


def left(folder: RunFolder, name: str) -> dict[str, bytes]:
    """All that is the student's, but for what says where and how fast it was made."""
    there = folder.student(name)
    names = ["student/model.safetensors", "predictions-gold.jsonl", "counts.npz", "exposure.jsonl", "result.json"]
    return {each: (there / each).read_bytes() for each in names}


@pytest.fixture
def steps_done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from nerkd_local.train import loop

    done: list[int] = []
    run_step = loop.run_step

    def counted(parts: Any, settings: Any, number: int) -> Any:
        done.append(number)
        return run_step(parts, settings, number)

    monkeypatch.setattr(loop, "run_step", counted)
    return done


@pytest.mark.parametrize("turned", [False, True], ids=["first to last", "last to first"])
def test_shared_beginnings_end_in_the_bits_of_students_trained_alone(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int], turned: bool
) -> None:
    together, alone = new_folder(experiment, "together", students), new_folder(experiment, "alone", students)
    work(students[::-1] if turned else students, experiment, together)
    # simple_mix takes its first half from distilled_only, reverse from original_only, or the other way round
    assert len(steps_done) == 4 * STEPS - 2 * (STEPS // 2)
    for student in students:
        run_student(student, experiment, alone, train_alone)
        assert left(together, student.name) == left(alone, student.name), student.name
        assert not (together.student(student.name) / "checkpoints").exists()
    assert not together.prefix("").exists()


def test_a_plan_under_two_names_is_trained_once(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int]
) -> None:
    both = students[1]
    twins = [
        Student(name, name, 0, both.original, both.distilled, both.evaluations) for name in ("linear", "linear@0.5")
    ]
    folder = new_folder(experiment, "twins", twins)
    work(twins, experiment, folder)
    assert len(steps_done) == STEPS
    one, other = (folder.student(twin.name) for twin in twins)
    for name in ("result.json", "counts.npz", "predictions-gold.jsonl"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert finished_students(twins, experiment, folder).keys() == {"linear", "linear@0.5"}


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
    courses = [course_of(student, experiment, folder) for student in three]
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
        run_student(student, experiment, alone, train_alone)
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
        run_student(student, experiment, alone, train_alone)
        assert left(folder, student.name) == left(alone, student.name), student.name


def test_a_plan_that_another_worker_trains_under_another_name_is_waited_for(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int]
) -> None:
    both = students[1]
    twins = [
        Student(name, name, 0, both.original, both.distilled, both.evaluations) for name in ("linear", "linear@0.5")
    ]
    folder = new_folder(experiment, "twins", twins)
    other = Worker(twins[::-1], experiment, folder, lambda: False)
    train, tried = Worker._train, []

    def meanwhile(worker: Worker, student: Student, training: TrainSettings) -> None:
        tried.append(other._try(next(twin for twin in twins if twin != student)))
        train(worker, student, training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_train", meanwhile)
        Worker(twins, experiment, folder, lambda: False).work()
    assert tried == [False]
    assert len(steps_done) == STEPS


class Killed(BaseException):
    """Nothing may catch it, as nothing catches SIGKILL."""


def test_wherever_a_worker_ends_the_next_one_goes_on(
    experiment: ExperimentSettings, students: list[Student], steps_done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends in the moment before each write in turn; what the ending process would do on its way out is done, though."""
    whole, broken = new_folder(experiment, "whole", students), new_folder(experiment, "broken", students)
    work(students, experiment, whole)
    from nerkd_local.experiment import prefixes
    from nerkd_local.experiment import students as module
    from nerkd_local.train import run

    remaining = [0]

    def ending(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not remaining[0]:
                raise Killed
            remaining[0] -= 1
            return function(*arguments, **named)

        return call

    places: list[tuple[Any, str]] = [
        (prefixes, "adopt_checkpoint"),
        (prefixes, "link_or_copy"),
        (run, "save_checkpoint"),
        (run, "save_student"),
        (run, "write_json"),
        (module, "write_bytes"),
        (module, "write_json"),
        (module, "write_text"),
        (module, "_tidy"),
    ]
    for place, name in places:
        monkeypatch.setattr(place, name, ending(getattr(place, name)))
    ends = 0
    while True:
        remaining[0] = 3  # a few writes each
        try:
            work(students, experiment, broken)
            break
        except Killed:
            ends += 1
            assert ends < 60
    assert ends > 8
    remaining[0] = 1000
    for student in students:
        assert left(broken, student.name) == left(whole, student.name), student.name
    assert not broken.prefix("").exists()


def test_a_stop_is_heard_between_steps_and_between_students(
    experiment: ExperimentSettings, students: list[Student]
) -> None:
    folder, whole = new_folder(experiment, "stopped", students), new_folder(experiment, "whole", students)
    work(students, experiment, whole)
    asked = 0

    def now_and_then() -> bool:
        nonlocal asked
        asked += 1
        return asked % 7 == 0

    stops = 0
    while len(finished_students(students, experiment, folder)) < len(students):
        with suppress(InterruptedRun):
            work(students, experiment, folder, now_and_then)
        stops += 1
    assert stops > 3
    for student in students:
        assert left(folder, student.name) == left(whole, student.name)


def test_a_students_error_names_it(experiment: ExperimentSettings, students: list[Student], tmp_path: Path) -> None:
    bad = [Document(each.id, each.text, each.tokens, (Span(0, 4, "ANIMAL"),)) for each in sentences("distilled", ["x"])]
    write_documents(tmp_path / "distilled.jsonl", bad)
    with pytest.raises(InputError, match=r"^distilled_only: .*'distilled:\d' has a span labelled 'ANIMAL'"):
        work(students, experiment, new_folder(experiment, "bad", students))


@pytest.mark.slow
def test_a_killed_worker_costs_no_student_and_doubles_none(
    experiment: ExperimentSettings, students: list[Student]
) -> None:
    steps = 120
    longer = experiment.model_copy(
        update={"training": experiment.training.model_copy(update={"steps": steps, "log_every": 1})}
    )
    folder, whole = new_folder(longer, "killed", students), new_folder(longer, "whole", students)
    logs = [folder.root / f"log{number}" for number in range(2)]
    processes = []
    for number, log in enumerate(logs):
        command = [sys.executable, "-m", "nerkd_local.experiment.worker", str(folder.root), str(number), "2"]
        with log.open("w") as stream:
            processes.append(subprocess.Popen(command, stderr=stream, env={**os.environ, "OMP_NUM_THREADS": "1"}))
    wait_until(lambda: "step 20/120" in logs[0].read_text(), within_s=120)
    processes[0].send_signal(signal.SIGKILL)
    assert processes[0].wait() == -signal.SIGKILL
    assert processes[1].wait(240) == 0, logs[1].read_text()
    # the step that each process did last of the killed student is at most where the other began it again
    began = [log.read_text().splitlines() for log in logs]
    for student in students:
        starts = sum(lines.count(student.name) for lines in began)
        assert starts == 1 + (began[0][-1].startswith("step") and student.name == _last_student(began[0], students))
        plan = load_plan(folder.student(student.name) / "plan.jsonl")
        assert sum(replay(folder.student(student.name) / "exposure.jsonl", plan).values()) == 3 * steps
        run_student(student, longer, whole, train_alone)
        assert left(folder, student.name) == left(whole, student.name)


def _last_student(lines: list[str], students: list[Student]) -> str:
    names = {student.name for student in students}
    return [line for line in lines if line in names][-1]


def test_what_the_workers_end_with_is_what_the_command_ends_with(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.logs.mkdir()
    (folder.logs / "worker-1.log").write_text("linear-seed0\nlinear-seed0: a.jsonl: no such file; check the path\n")
    said: list[str] = []
    workers._check([0, 0], folder, 0, said.append)
    with pytest.raises(InterruptedRun, match="the same command goes on"):
        workers._check([3, 0], folder, 2, said.append)
    with pytest.raises(InputError, match=r"exit code 2 \(5 students left\): linear-seed0: a.jsonl: no such file"):
        workers._check([3, 2], folder, 5, said.append)
    with pytest.raises(NerkdError, match="exit code 1"):
        workers._check([1, 0], folder, 1, said.append)
    assert said == []
    workers._check([1, 0], folder, 0, said.append)
    assert said == ["1 of 2 workers were lost; the others have finished all students"]


def test_progress_is_lines_where_there_is_no_terminal(
    tmp_path: Path, students: list[Student], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, said = RunFolder(tmp_path), list[str]()
    with workers._progress(students, folder, said.append) as show:
        show()
        assert said == []
        folder.student(students[0].name).mkdir(parents=True)
        (folder.student(students[0].name) / "result.json").write_text("{}")
        show()
        show()
    assert said == ["1 of 4 students are finished"]
    assert capsys.readouterr() == ("", "")


def test_students_are_read_as_they_were_written(experiment: ExperimentSettings, students: list[Student]) -> None:
    folder = new_folder(experiment, "written", students)
    assert workers.read_students(folder) == students
    assert json.loads(folder.students.read_text())[0]["original"] is None
    assert np.all([read_json(folder.students)[1]["name"] == "simple_mix"])
