"""One worker, started by `workers`: `python -m nerkd_local.experiment.worker FOLDER NUMBER COUNT`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from filelock import BaseFileLock

from nerkd_local.config.experiment import StudentsSettings
from nerkd_local.errors import InterruptedRun, NerkdError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.locks import Busy, held
from nerkd_local.experiment.prefixes import Prefixes
from nerkd_local.experiment.students import Student, course_of, finished_students, is_finished, run_student
from nerkd_local.experiment.workers import read_students
from nerkd_local.settings import load_settings
from nerkd_local.train.messages import tell
from nerkd_local.train.rank import run_rank
from nerkd_local.train.settings import TrainSettings

_WAIT_S = 0.5


def main(arguments: list[str]) -> int:
    """Train students until all have their results; returns the exit code."""

    def work(stop: Callable[[], bool]) -> None:
        folder = RunFolder(Path(arguments[0]))
        settings = load_settings(StudentsSettings, folder.students_settings)
        students = read_students(folder)
        # from another place each, so that they seldom want the same student or beginning
        number, count = int(arguments[1]), int(arguments[2])
        first = number * len(students) // count
        Worker(students[first:] + students[:first], settings, folder, stop).work()

    return run_rank(work)


class Worker:
    """Goes round the students that are not finished until there is none."""

    def __init__(
        self, students: Sequence[Student], settings: StudentsSettings, folder: RunFolder, stop: Callable[[], bool]
    ) -> None:
        self._students = students
        self._settings, self._folder, self._stop = settings, folder, stop
        self._prefixes = Prefixes.of([course_of(student, settings, folder) for student in students], folder)
        self._beginnings: dict[int, BaseFileLock] = {}
        """Those that the student in work is to leave, held until it has, or has ended; by their steps."""

    def work(self) -> None:
        """Raises InterruptedRun where it is asked to stop, and what a student's training raises."""
        pending = list(self._students)
        while pending:
            left = [student for student in pending if not self._try(student)]
            if len(left) == len(pending):
                if self._stop():
                    raise InterruptedRun("stopped while another worker trains the last students")
                time.sleep(_WAIT_S)  # others have them all
            pending = left
        self._prefixes.forget(self._finished())

    def _try(self, student: Student) -> bool:
        """Finish a student, unless it or a beginning that it waits for is another worker's; whether it is finished."""
        if self._stop():
            raise InterruptedRun("stopped before the next student")
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self._folder, student.name, wait=False))
                # one of other settings is made again, here and like any other
                if is_finished(student, self._folder) and finished_students([student], self._settings, self._folder):
                    return True
                # a student under another name that is the same is somebody's: its result will do for this one
                course = self._prefixes.courses[student.name]
                stack.enter_context(held(self._folder, f"plan-{course.key(len(course.plan.steps))}", wait=False))
                # the shortest first: of two who want the same ones, one gets them all
                self._beginnings = {
                    steps: stack.enter_context(held(self._folder, f"beginning-{key}", wait=False))
                    for steps, key in self._prefixes.awaited(student.name, self._finished()).items()
                }
            except Busy:
                return False
            tell(student.name)
            try:
                run_student(student, self._settings, self._folder, self._train)
            except InterruptedRun:
                raise
            except NerkdError as error:
                error.args = (f"{student.name}: {error}",)
                raise
            self._prefixes.forget(self._finished())
        return True

    def _finished(self) -> list[str]:
        return [student.name for student in self._students if is_finished(student, self._folder)]

    def _train(self, student: Student, training: TrainSettings) -> None:
        from nerkd_local.train.run import train

        def saved(steps: int) -> None:
            self._prefixes.leave(student.name, steps)
            if steps in self._beginnings:
                self._beginnings[steps].release()  # whoever waits for it can go on

        self._prefixes.begin(student.name)
        train(training, stop=self._stop, checkpoint_at=self._prefixes.wanted(student.name), saved=saved)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
