"""The summary in Markdown: what it says of copies, and of the paper that an experiment follows."""

from __future__ import annotations

from pathlib import Path

from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import prepare
from nerkd_local.files import read_json, write_json
from nerkd_local.pipeline import run_experiment
from tests.evidence.runs import write_run


def summary_of(root: Path, **more: object) -> str:
    settings = write_run(root, regimens=("original_only", "simple_mix"), sizes=(10,), seeds=(0,), more=more)
    return run_experiment(settings, lambda line: None, train=False)


def test_near_copies_are_counted_and_said_to_be_allowed(tmp_path: Path) -> None:
    settings = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,))
    report = prepare(settings, RunFolder(settings.output))
    row = {"id": "train:0", "of": "evaluation:0", "among": "evaluation", "exact": False, "similarity": 0.9}
    report["original"]["duplicates"] = [{**row, "excluded": False}]
    report["original"]["excluded"] = 0
    report["near_duplicates"] = {"similarity": 0.8, "allowed": True}
    write_json(settings.output / "corpus" / "preparation.json", report)
    summary = run_experiment(settings, lambda line: None, train=False)
    assert "; 1 more resemble a sentence of it (similarity 0.8), and were allowed; 0 were excluded." in summary
    # corpus files that an earlier version made
    del report["near_duplicates"]
    write_json(settings.output / "corpus" / "preparation.json", report)
    assert "or twice; near duplicates were not looked for; " in run_experiment(settings, lambda line: None, train=False)


def test_a_summary_with_folds_says_what_resembles_across_them(tmp_path: Path) -> None:
    folds = {"folds": {"count": 3, "nested": False}}
    settings = write_run(tmp_path, regimens=("original_only",), sizes=(20,), seeds=(0,), more=folds)
    path = settings.output / "corpus" / "preparation.json"
    report = read_json(path)
    assert report["folds"]["20"]["near_across_folds"] >= 0
    report["folds"]["20"]["near_across_folds"] = 4
    write_json(path, report)
    summary = run_experiment(settings, lambda line: None, train=False)
    assert "4 of the 20 original sentences resemble one in another fold." in summary
    # there is no evaluation corpus that one of the original ones could resemble a sentence of
    assert "or twice; 0 were excluded." in summary
    assert "0 among the original ones; 0 more resemble one of those (similarity 0.8); 0 were excluded." in summary


def test_phases_are_listed_with_what_is_not_known(tmp_path: Path) -> None:
    phases = [
        {"phase": "1: labels", "paper": "an LLM labels", "shows": ["results/labels.png"], "unstated": ["its version"]},
        {"phase": "2: regimens", "paper": "orders are compared", "shows": ["results/table.csv", "report: regimens"]},
    ]
    summary = summary_of(tmp_path / "with", phases=phases)
    assert summary.endswith(
        "## What stands for what in the paper\n\n"
        "**1: labels**: `results/labels.png`. The paper: an LLM labels\n"
        "Not known here:\n\n- its version\n\n"
        "**2: regimens**: `results/table.csv`, `report: regimens`. The paper: orders are compared\n"
    )
    assert "What stands for what" not in summary_of(tmp_path / "without")
