"""Whose weights go out: the leader's unless told otherwise, and nobody's whose weights are not there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nerkd_local.bundle.export.students import ALL, LEADER, NONE, choose_students, leaders, student_files
from nerkd_local.errors import InputError
from nerkd_local.evidence.chosen import f1_by_seed
from nerkd_local.evidence.run import Run, open_run
from tests.bundle.export.exported import write_weights
from tests.evidence.runs import write_run

SKILLS = {"original_only": 0.2, "simple_mix": 0.9, "linear": 0.3}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = open_run(write_run(tmp_path_factory.mktemp("made"), seeds=(0, 1, 2), skills=SKILLS).output)
    for name in run.results:
        if name.endswith("seed1"):
            continue
        write_weights(run, name)
    return run.folder.root


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


def test_the_leader_is_of_the_largest_size_and_of_the_seed_nearest_the_mean(run: Run) -> None:
    (name,) = leaders(run)
    (line,) = (line for line in run.lines if line.regimen == "simple_mix" and line.size == 20)
    by_seed = f1_by_seed(run, line)
    mean = sum(by_seed.values()) / 3
    nearest = min(by_seed, key=lambda seed: (abs(by_seed[seed] - mean), seed))
    assert name == f"simple_mix-n20-news-seed{nearest}"
    write_weights(run, name)
    assert choose_students(run) == choose_students(run, (LEADER,)) == (name,)


def test_names_patterns_and_words(run: Run) -> None:
    everyone = list(run.results)
    assert len(everyone) == 18
    assert choose_students(run, (NONE,)) == ()
    assert choose_students(run, (ALL,)) == tuple(name for name in everyone if not name.endswith("seed1"))
    one, other = "linear-n10-news-seed2", "simple_mix-n10-news-seed0"
    assert choose_students(run, (other, one, other)) == tuple(sorted((one, other), key=everyone.index))
    assert choose_students(run, ("simple_mix-*-seed0",)) == ("simple_mix-n10-news-seed0", "simple_mix-n20-news-seed0")


def test_who_cannot_go_out(run: Run) -> None:
    with pytest.raises(InputError, match="did you mean 'linear-n10-news-seed2'"):
        choose_students(run, ("linear-n10-news-seed22",))
    with pytest.raises(InputError, match="the weights of linear-n10-news-seed1 were not kept"):
        choose_students(run, ("linear-n10-news-seed?",))
    with pytest.raises(InputError, match="goes with no other"):
        choose_students(run, (NONE, ALL))
    for name in run.results:
        shutil.rmtree(run.folder.student(name) / "student", ignore_errors=True)
    for wanted in ((ALL,), (LEADER,)):
        with pytest.raises(InputError, match="--students none exports the results without them"):
            choose_students(run, wanted)


def test_with_folds_the_students_of_every_fold_go_out(tmp_path: Path) -> None:
    more = {"folds": {"count": 3, "nested": False}}
    settings = write_run(tmp_path, regimens=("original_only", "simple_mix"), sizes=(12,), seeds=(0,), more=more)
    names = leaders(open_run(settings.output))
    assert len(names) == len(set(names)) == 3


@pytest.mark.parametrize(
    "strange",
    [
        "modeling.py",
        "pytorch_model.bin",
        "deeper/config.json",
        "link.json",
        "notes.json",
        "train.txt",
        "NOTES.md",
        "optimizer.safetensors",
    ],
)
def test_a_file_that_no_student_has_stops_it(run: Run, strange: str) -> None:
    folder = run.folder.student("linear-n10-news-seed0") / "student"
    assert {path.name for path in student_files(run, "linear-n10-news-seed0")} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    (folder / strange).parent.mkdir(exist_ok=True)
    if strange == "link.json":
        os.symlink("config.json", folder / strange)
    else:
        (folder / strange).write_text("{}")
    with pytest.raises(InputError, match="is no file of a student"):
        list(student_files(run, "linear-n10-news-seed0"))
