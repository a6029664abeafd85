"""The students of an experiment, trained by as many processes as there are GPUs or cores.

Each worker is one launcher process that trains student after student, so libraries and encoder are loaded once, and
takes the next one that nobody has by a lock file that ends with its process. However a worker ends, the others, or the
same command again, go on with what it had begun from its newest checkpoint.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nerkd_local.config.experiment import StudentsSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.errors import CheckFailed, InputError, InterruptedRun, NerkdError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.locks import Busy, held
from nerkd_local.experiment.students import Student, finished_students, is_finished, run_student
from nerkd_local.files import read_json, write_json
from nerkd_local.machine import usable_cores, visible_gpus
from nerkd_local.settings import find_named, save_settings
from nerkd_local.train.launch import Launch, launch_modules, read_launcher_config

_MODULE = "nerkd_local.experiment.worker"


def run_students(
    students: Sequence[Student], settings: StudentsSettings, folder: RunFolder, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Every student's result by name; what an earlier run left is not done again.

    Several processes may run the same experiment in the same folder. Raises InterruptedRun if this one was asked to
    stop; an error with a worker's exit code if one failed.
    """
    launcher = find_named(settings.accelerate, configs_folder("accelerate"))
    machines = read_launcher_config(launcher)
    if machines["num_processes"] > 1:
        return _one_by_one(students, settings, folder, say)
    results = finished_students(students, settings, folder)
    missing = [student for student in students if student.name not in results]
    if missing:
        write_students(students, settings, folder)
        launches = _launches(min(len(missing), _count(settings, machines)), machines, folder)
        say(f"{len(missing)} students on {len(launches)} workers; their logs: {folder.logs}/worker-*.log")
        with _progress(students, folder, say) as show:
            codes = launch_modules(launches, launcher, watch=show)
        results = finished_students(students, settings, folder)
        _check(codes, folder, len(students) - len(results), say)
    shutil.rmtree(folder.prefix(""), ignore_errors=True)  # of workers that were killed
    return {student.name: results[student.name] for student in students}


def write_students(students: Sequence[Student], settings: StudentsSettings, folder: RunFolder) -> None:
    """Write down for workers which students there are to train, and how."""
    save_settings(settings, folder.students_settings)
    write_json(folder.students, [_plain(student) for student in students])


def read_students(folder: RunFolder) -> list[Student]:
    """The students that `write_students` wrote down."""
    return [
        Student(
            **{
                **row,
                "original": row["original"] and Path(row["original"]),
                "distilled": row["distilled"] and Path(row["distilled"]),
                "evaluations": {name: Path(path) for name, path in row["evaluations"].items()},
            }
        )
        for row in read_json(folder.students)
    ]


def _plain(student: Student) -> dict[str, Any]:
    row = dataclasses.asdict(student)
    for name in ("original", "distilled"):
        row[name] = row[name] and str(row[name])
    return {**row, "evaluations": {name: str(path) for name, path in student.evaluations.items()}}


def _one_by_one(
    students: Sequence[Student], settings: StudentsSettings, folder: RunFolder, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Each on all the launcher's processes."""
    results = {}
    elsewhere = []
    for number, student in enumerate(students, start=1):
        try:
            with held(folder, student.name, wait=False):
                say(f"student {number} of {len(students)}: {student.name}")
                results[student.name] = run_student(student, settings, folder)
        except Busy:
            elsewhere.append(student)
    for student in elsewhere:
        say(f"waiting for another process to finish {student.name}")
        with held(folder, student.name, wait=True):
            results[student.name] = run_student(student, settings, folder)
    return results


def _count(settings: StudentsSettings, machines: dict[str, Any]) -> int:
    if settings.workers != "auto":
        return settings.workers
    return usable_cores() if machines.get("use_cpu") else max(len(visible_gpus()), 1)


def _launches(count: int, machines: dict[str, Any], folder: RunFolder) -> list[Launch]:
    folder.logs.mkdir(parents=True, exist_ok=True)
    gpus = [] if machines.get("use_cpu") else visible_gpus()
    threads = max(usable_cores() // count, 1)
    launches = []
    for number in range(count):
        environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(threads)}
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        module = (_MODULE, str(folder.root), str(number), str(count))
        launches.append(Launch(module, environment, folder.logs / f"worker-{number}.log"))
    return launches


@contextmanager
def _progress(
    students: Sequence[Student], folder: RunFolder, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """What shows how many students are finished, when it is called: a bar on a terminal, lines elsewhere."""

    def finished() -> int:
        return sum(is_finished(student, folder) for student in students)

    began = finished()
    with tqdm(total=len(students), initial=began, unit="student", disable=not sys.stderr.isatty()) as bar:
        shown = began

        def show() -> None:
            nonlocal shown
            now = finished()
            if now != shown and bar.disable:
                say(f"{now} of {len(students)} students are finished")
            bar.update(now - shown)
            shown = now

        yield show
        show()


def _check(codes: Sequence[int], folder: RunFolder, missing: int, say: Callable[[str], None]) -> None:
    """Raise what the workers ended with, unless the others have done all that one left."""
    failed = [(number, code) for number, code in enumerate(codes) if code]
    if not failed:
        return
    if not missing and all(code == 1 for _, code in failed):
        say(f"{len(failed)} of {len(codes)} workers were lost; the others have finished all students")
        return
    worst = [(number, code) for number, code in failed if code != InterruptedRun.exit_code]
    if not worst:
        raise InterruptedRun("stopped; the same command goes on from the students' checkpoints")
    number, code = worst[0]
    error = {kind.exit_code: kind for kind in (InputError, CheckFailed)}.get(code, NerkdError)
    log = folder.logs / f"worker-{number}.log"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
    raise error(f"a worker failed with exit code {code} ({missing} students left): {' '.join(last)[:300]}; see {log}")
