"""`nerkd reproduce`: what it prints, and its exit codes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nerkd_local import pipeline
from nerkd_local.cli.main import main
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student, finished_students
from nerkd_local.stopping import STOP_SIGNALS
from tests.evidence.runs import SKILLS, write_run, write_student


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentSettings:
    """A finished run, and training that finds in a moment what its students found."""
    made = write_run(tmp_path, regimens=("original_only", "simple_mix"), sizes=(10,), seeds=(0, 1))

    def run_students(students: Sequence[Student], shared: Any, folder: RunFolder, say: Any) -> dict[str, Any]:
        results = finished_students(students, shared, folder)
        for student in students:
            if student.name not in results:
                # settings as they are asked for: another rate is another student
                asked = made.model_copy(update={"training": shared.training})
                results[student.name] = dict(write_student(student, asked, folder, SKILLS[student.regimen]))
        return results

    monkeypatch.setattr(pipeline, "run_students", run_students)
    return made


def nerkd(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["nerkd", *map(str, arguments)])
    before = {each: signal.getsignal(each) for each in STOP_SIGNALS}
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:  # it ignores some of them as it ends, and the processes of later tests would inherit that
        for each, handler in before.items():
            signal.signal(each, handler)
    return int(ended.value.code or 0)


def test_a_run_that_comes_out_the_same_ends_well(
    settings: ExperimentSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nerkd(monkeypatch, "reproduce", settings.output) == 0
    out = capsys.readouterr().out
    assert out.startswith("# made up, reproduced\n\nAll ")
    assert (settings.output.with_name("run-reproduced") / "reproduce.md").read_text() == out.rstrip("\n") + "\n"


def test_what_differs_ends_with_4_and_is_on_the_last_line(
    settings: ExperimentSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ("--set", "training.learning_rate=0.001", "--students", "original_only-*")
    assert nerkd(monkeypatch, "reproduce", settings.output, "--output", settings.output.with_name("o"), *overrides) == 4
    printed = capsys.readouterr()
    assert "learning_rate (there 0.0002, now 0.001)" in printed.out
    assert printed.err.splitlines()[-1].startswith("nerkd: 2 of ")
    assert printed.err.splitlines()[-1].endswith(" findings differ by more than noise")


def test_a_folder_without_a_run_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nerkd(monkeypatch, "reproduce", tmp_path / "nothing") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds no settings.yaml; name the output folder of `nerkd run`" in line
