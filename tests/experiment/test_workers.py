"""Students by workers: however a worker ends, none is lost and none is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
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
from nerkd_local.experiment.students import Student, finished_students, is_finished, run_student
from nerkd_local.files import read_json
from nerkd_local.records import Document, Span
from nerkd_local.regimen.plan import load_plan
from nerkd_local.train.exposure import replay
from tests.experiment.small_students import left, new_folder, sentences, train_alone, work
from tests.waiting import wait_until


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
    from nerkd_local.train import opening, run

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
        (opening, "write_json"),
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
        # a few writes each, when it has looked after what is finished
        remaining[0] = 4 + sum(is_finished(student, broken) for student in students)
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
    while len(finished_students(students, experiment.students, folder)) < len(students):
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
        run_student(student, longer.students, whole, train_alone)
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
