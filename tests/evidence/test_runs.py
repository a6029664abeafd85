"""The made-up run folders of the other tests are what `nerkd run` would go on from."""

from __future__ import annotations

from pathlib import Path

from nerkd_local.evidence.run import open_run
from nerkd_local.pipeline import run_experiment
from tests.evidence.runs import write_run


def test_a_made_up_run_is_found_finished_by_the_real_command(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0, 1))
    said: list[str] = []
    summary = run_experiment(settings, said.append, train=False)
    assert "students are finished" not in summary
    assert "simple_mix" in summary
    run = open_run(settings.output)
    assert [line.regimen for line in run.lines] == ["original_only", "simple_mix", "linear"]
    assert run.counts(run.lines[0]).shape == (2, 40, 3)
    assert len(set(run.documents(10))) == 10


def test_with_folds_and_an_annotator_study(tmp_path: Path) -> None:
    folds = {"folds": {"count": 3, "nested": True}}
    run = open_run(write_run(tmp_path / "folds", sizes=(20,), seeds=(0,), more=folds).output)
    (line, *_) = run.lines
    assert run.counts(line).shape[:2] == (1, len(run.documents(20)))
    assert len(line.inner) == 6
    studied = open_run(write_run(tmp_path / "study", sizes=(10,), seeds=(0,), study=True).output)
    assert (studied.folder.study_annotation("standard", "lines") / "annotations.jsonl").is_file()
