"""A run's folder against its settings: what is right is told, and every way to be wrong is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from filelock import FileLock

from nerkd_local.cli.train import command
from nerkd_local.config.folders import configs_folder
from nerkd_local.errors import CheckFailed, InputError, InterruptedRun
from nerkd_local.files import read_json, write_json
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.plan import build_plan, save_plan
from nerkd_local.settings import save_settings
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from nerkd_local.train.verify import verify_run
from tests.train.conftest import make_plan, settings_in

STEPS = 6


@pytest.fixture(scope="module")
def trained(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainFolder:
    """Trained once; each test spoils a copy."""
    here = tmp_path_factory.mktemp("trained")
    return train(settings_in(here, tiny_encoder, STEPS, checkpoint_every=2))


@pytest.fixture
def finished(trained: TrainFolder, tiny_encoder: Path, tmp_path: Path) -> TrainSettings:
    settings = settings_in(tmp_path, tiny_encoder, STEPS, checkpoint_every=2)
    shutil.copytree(trained.output, settings.output)
    return settings


def interrupted(settings: TrainSettings, after: int) -> TrainFolder:
    """Stopped as a kill would have it: the ledger is a step and a half ahead of the checkpoint."""
    asked = iter(range(STEPS))
    with pytest.raises(InterruptedRun):
        train(settings, stop=lambda: next(asked) + 1 >= after)
    folder = TrainFolder(settings.output)
    with folder.exposure.path.open("a") as stream:
        stream.write(json.dumps({"step": after, "written": "and happens again"}) + '\n{"step": ')
    return folder


def test_a_finished_run_tells_what_it_has_shown(finished: TrainSettings) -> None:
    before = contents(finished.output)
    findings = verify_run(finished)
    assert findings.problems == []
    assert findings.steps == STEPS
    # by hand, see `make_plan`: 2 + 1 + 2 + 1 + 2 + 1 original ones; a ledger's sums are the table's
    rows = ledger_rows(finished)
    assert findings.shown == {
        source: {
            "examples": count,
            "words": sum(row[source]["words"] for row in rows),
            "tokens": sum(row[source]["tokens"] for row in rows),
        }
        for source, count in (("original", 9), ("distilled", 9))
    }
    said = findings.describe()
    assert said.startswith(f"{finished.output}: finished, 6 steps; regimen by hand, plan ")
    assert [line.split()[:2] for line in said.splitlines()[4:7]] == [
        ["original", "9"],
        ["distilled", "9"],
        ["both", "18"],
    ]
    assert said.splitlines()[6].endswith("1.0000")
    assert "6 steps, the plan's, example by example" in said
    assert "step-00000004: whole, with these settings" in said
    assert contents(finished.output) == before


def test_an_interrupted_run_counts_as_far_as_its_checkpoint(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, tiny_encoder, STEPS, checkpoint_every=2)
    folder = interrupted(settings, 4)
    findings = verify_run(settings)
    assert findings.problems == []
    assert findings.state.startswith(f"{folder.output}: interrupted, goes on from step 4 of 6;")
    assert findings.shown["original"]["examples"] == 6  # 2 + 1 + 2 + 1
    train(settings)
    assert verify_run(settings).steps == STEPS


def test_a_ledger_whose_weights_were_removed_still_counts(finished: TrainSettings) -> None:
    """As an experiment leaves a student with `keep_students: false`."""
    folder = TrainFolder(finished.output)
    shutil.rmtree(folder.checkpoints)
    shutil.rmtree(folder.student)
    folder.done.unlink()
    findings = verify_run(finished)
    assert findings.problems == []
    assert findings.state.startswith(f"{folder.output}: 6 of 6 steps, without weights;")


def test_of_a_finished_run_whose_student_was_removed_all_the_rest_is_checked(finished: TrainSettings) -> None:
    folder = TrainFolder(finished.output)
    shutil.rmtree(folder.checkpoints)
    folder.forget_student()
    findings = verify_run(finished)
    assert findings.problems == []
    assert findings.state.startswith(f"{folder.output}: finished, 6 steps, its student removed;")
    other = verify_run(finished.model_copy(update={"learning_rate": 1.0})).problems
    assert any("is of another run" in problem for problem in other)
    folder.exposure.path.write_text("".join(folder.exposure.path.read_text().splitlines(keepends=True)[:4]))
    assert any("holds 4 of the 6 steps" in problem for problem in verify_run(finished).problems)


def change_an_example(folder: TrainFolder) -> None:
    text = folder.exposure.path.read_text()
    folder.exposure.path.write_text(text.replace('"original:6"', '"original:5"', 1))


def change_a_learning_rate(folder: TrainFolder) -> None:
    rows = [json.loads(line) for line in folder.exposure.path.read_text().splitlines()]
    rows[3]["learning_rate"] *= 2
    folder.exposure.path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def forget_the_tokens(folder: TrainFolder) -> None:
    rows = [json.loads(line) for line in folder.exposure.path.read_text().splitlines()]
    del rows[3]["original"]["tokens"]
    folder.exposure.path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def lose_a_step(folder: TrainFolder) -> None:
    lines = folder.exposure.path.read_text().splitlines(keepends=True)
    folder.exposure.path.write_text("".join(lines[:-1]))


def add_a_step(folder: TrainFolder) -> None:
    lines = folder.exposure.path.read_text().splitlines(keepends=True)
    folder.exposure.path.write_text("".join([*lines, lines[-1]]))


def tear_the_ledger(folder: TrainFolder) -> None:
    folder.exposure.path.write_bytes(folder.exposure.path.read_bytes()[:-9])


def damage_a_checkpoint(folder: TrainFolder) -> None:
    path = folder.checkpoints / "step-00000004" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change_done(**values: Any) -> Callable[[TrainFolder], None]:
    return lambda folder: write_json(folder.done, {**read_json(folder.done), **values})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (change_an_example, ["exposure.jsonl:3: step 2 was not trained on the plan's examples"]),
        (change_a_learning_rate, ["1 steps at other learning rates than the settings give, the first: step 3 had "]),
        (forget_the_tokens, ["exposure.jsonl: step 3 does not say how many words and tokens it had"]),
        (lose_a_step, ["exposure.jsonl: holds 5 of the 6 steps that were trained"]),
        (add_a_step, ["exposure.jsonl:7: a step more than the plan's 6"]),
        (tear_the_ledger, ["exposure.jsonl:6: not valid JSON"]),
        (lambda folder: folder.exposure.path.unlink(), ["exposure.jsonl: no such file"]),
        (damage_a_checkpoint, ["step-00000004: model.safetensors has other content than its manifest says"]),
        (change_done(steps=7), ["done.json: says steps 7; it is 6"]),
        (change_done(examples={"original": 9}), ["done.json: says examples {'original': 9}; it is {'original': 9, "]),
        (change_done(fingerprint="0" * 64), ["done.json: says fingerprint 0000"]),
        (change_done(fingerprints=None), ["done.json: is damaged"]),
        (lambda folder: folder.done.write_text("{"), ["done.json: not valid JSON"]),
        (lambda folder: (folder.student / "model.safetensors").unlink(), ["student: the student's weights are not"]),
        (
            lambda folder: (lose_a_step(folder), damage_a_checkpoint(folder)),
            ["step-00000004: model.safetensors has other", "holds 5 of the 6 steps"],
        ),
    ],
)
def test_what_is_wrong_is_named(
    finished: TrainSettings, spoil: Callable[[TrainFolder], object], says: list[str]
) -> None:
    spoil(TrainFolder(finished.output))
    problems = verify_run(finished).problems
    assert len(problems) == len(says)
    for problem, said in zip(problems, says, strict=True):
        assert said in problem


def test_weights_whose_digest_was_written_down_are_compared(finished: TrainSettings) -> None:
    folder = TrainFolder(finished.output)
    change_done(weights=folder.weights_digest())(folder)
    assert verify_run(finished).problems == []
    path = folder.student / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert verify_run(finished).problems == [f"{folder.student}: its weights are not those that were trained"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 8}, "differs in seed (there 1, now 8)"),
        ({"distilled_loss": {"kind": "generalised"}}, "differs in distilled_loss"),
    ],
)
def test_other_settings_are_another_run(finished: TrainSettings, change: dict[str, Any], says: str) -> None:
    other = TrainSettings.model_validate({**finished.model_dump(), **change})
    problems = verify_run(other).problems
    assert len(problems) == 3  # of done.json and two checkpoints
    assert all(says in problem for problem in problems)


def test_other_inputs_are_another_run(finished: TrainSettings) -> None:
    assert finished.original is not None
    with finished.original.open("a") as stream:
        stream.write("\n")
    problems = verify_run(finished).problems
    assert len(problems) == 3
    assert all("is of another run, which differs in original (there " in problem for problem in problems)


def test_a_plan_that_was_changed_fails_the_check(finished: TrainSettings) -> None:
    text = finished.plan.read_text()
    finished.plan.write_text(text.replace('"original:6"', '"original:5"', 1))
    with pytest.raises(CheckFailed, match="was changed after it was built"):
        verify_run(finished)


def test_another_plan_is_another_run(finished: TrainSettings) -> None:
    save_plan(make_plan(STEPS - 1), finished.plan)
    problems = verify_run(finished).problems
    assert any("differs in plan (there " in problem for problem in problems)
    assert any("a step more than the plan's 5" in problem for problem in problems)


def test_what_is_not_there_or_under_way_cannot_be_verified(finished: TrainSettings, tmp_path: Path) -> None:
    nothing = finished.model_copy(update={"output": tmp_path / "nothing"})
    with pytest.raises(InputError, match="holds no training run"):
        verify_run(nothing)
    assert not nothing.output.exists()
    with FileLock(TrainFolder(finished.output).lock), pytest.raises(InputError, match="a run is writing here"):
        verify_run(finished)
    finished.plan.unlink()
    with pytest.raises(InputError, match="no such file"):
        verify_run(finished)


def test_a_run_in_a_read_only_place_can_be_verified(finished: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert verify_run(finished).problems == []


def test_an_adaptive_run_is_checked_against_the_plan_that_its_evidence_made(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, tiny_encoder, STEPS, checkpoint_every=2)
    regimen = load_regimen("adaptive", configs_folder("regimens"))
    ids = [[f"{source}:{number}" for number in range(8)] for source in ("original", "distilled")]
    plan = build_plan(regimen, *ids, steps=20, batch_size=4, seed=0)
    save_plan(plan, settings.plan)
    folder = train(settings)
    findings = verify_run(settings)
    assert findings.problems == []
    assert findings.steps == 20
    # with other evidence it would have been another plan
    rows = [json.loads(line) for line in folder.evidence.path.read_text().splitlines()]
    for row in rows:
        row["alignment"] = {name: -5.0 if name != "original" else 1.0 for name in row["alignment"]}
    folder.evidence.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert any("was not trained on the plan's examples" in problem for problem in verify_run(settings).problems)
    folder.evidence.path.write_text("{}\n")
    with pytest.raises(CheckFailed, match=r"evidence.jsonl:1: is no line of an evidence log"):
        verify_run(settings)


def test_the_command_prints_what_was_found_and_exits_with_4_where_something_differs(
    finished: TrainSettings, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    save_settings(finished, config)
    done = CliRunner().invoke(command, [str(config), "--verify"])
    assert done.exception is None
    assert "the plan's, example by example" in done.stdout
    other = CliRunner().invoke(command, [str(config), "--verify", "--set", "seed=4"])
    assert isinstance(other.exception, CheckFailed)
    nowhere = CliRunner().invoke(command, [str(config), "--verify", "--set", f"output={tmp_path / 'nothing'}"])
    assert isinstance(nowhere.exception, InputError)

    lose_a_step(TrainFolder(finished.output))
    line = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", "train", str(config), "--verify"]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert ended.returncode == 4
    first, second = ended.stderr.splitlines()
    assert first == "nerkd: problems: 1"
    assert "holds 5 of the 6 steps that were trained" in second
    assert "both" in ended.stdout


def ledger_rows(settings: TrainSettings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in TrainFolder(settings.output).exposure.path.read_text().splitlines()]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
