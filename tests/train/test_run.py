"""Run folders: finished, interrupted, resumed, damaged, and somebody else's."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nerkd_local.energy import Found
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_folder
from nerkd_local.records import from_words
from nerkd_local.student.model import load_trained, student_windows
from nerkd_local.student.predict import predict
from nerkd_local.student.windows import Windows
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.run import train
from tests.train.conftest import SettingsMaker


def ledger(folder: TrainFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.exposure.path.read_text().splitlines()]


def final_weights(folder: TrainFolder) -> dict[str, torch.Tensor]:
    return dict(load_file(folder.student / "model.safetensors"))


def assert_same_weights(one: TrainFolder, other: TrainFolder) -> None:
    left, right = final_weights(one), final_weights(other)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


class StopAfter:
    """Says stop after the given step."""

    def __init__(self, step: int) -> None:
        self.remaining = step

    def __call__(self) -> bool:
        self.remaining -= 1
        return self.remaining == 0


def test_a_run_leaves_a_student_that_predicts_and_says_what_it_was(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=60, learning_rate=5e-3, log_every=20)
    folder = train(settings)
    model, tokenizer = load_trained(folder.student)
    words = ["anna", "lives", "in", "paris"]
    assert student_windows(model) == Windows(max_tokens=32, stride=8)
    (answer,) = predict(model, tokenizer, [from_words("d", words)], device=torch.device("cpu"))
    assert answer.tags == ["B-PER", "O", "O", "B-LOC"]
    rows = ledger(folder)
    assert [row["step"] for row in rows] == list(range(60))
    assert rows[-1]["original"]["loss"] < rows[0]["original"]["loss"]
    assert rows[1]["distilled"]["ids"] == ["distilled:3", "distilled:4"]
    assert [rows[0]["original"]["words"], rows[0]["original"]["tokens"]] == [10, 14]  # 4 and 6 words, 2 special tokens
    done = read_json(folder.done)
    assert (done["world_size"], done["ranks"], done["threads"], done["steps"]) == (1, [0], 1, 60)
    assert done["examples"] == {"original": 90, "distilled": 90}  # 30 steps of 2 + 1, 30 of 1 + 2
    assert read_json(folder.settings)["learning_rate"] == 5e-3
    assert done["fingerprints"]["student"] == digest_folder(settings.student)


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_an_interrupted_and_resumed_run_ends_in_the_same_bits(make_settings: SettingsMaker, stop_after: int) -> None:
    whole = train(make_settings(output="whole"))
    with pytest.raises(InterruptedRun, match=f"stopped after {stop_after} of 6 steps"):
        train(make_settings(output="parts"), stop=StopAfter(stop_after))
    parts = TrainFolder(whole.output.parent / "parts")
    assert not parts.done.exists()
    train(make_settings(output="parts"))
    assert_same_weights(whole, parts)
    assert parts.exposure.path.read_text() == whole.exposure.path.read_text()


def test_a_crash_after_a_checkpoint_costs_only_the_steps_since(make_settings: SettingsMaker) -> None:
    whole = train(make_settings(output="whole"))
    settings = make_settings(output="crashed", checkpoint_every=2)

    def crash() -> bool:
        crash.calls += 1  # type: ignore[attr-defined]
        if crash.calls == 6:  # type: ignore[attr-defined]
            raise MemoryError
        return False

    crash.calls = 0  # type: ignore[attr-defined]
    with pytest.raises(MemoryError):
        train(settings, stop=crash)
    folder = TrainFolder(settings.output)
    with folder.exposure.path.open("a") as stream:
        stream.write('{"step": 6, "lo')  # torn
    train(settings)
    assert_same_weights(whole, folder)
    assert folder.exposure.path.read_text() == whole.exposure.path.read_text()


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    make_settings: SettingsMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(make_settings(output="whole"))
    settings = make_settings(output="damaged", checkpoint_every=2)
    with pytest.raises(InterruptedRun):
        train(settings, stop=StopAfter(5))
    folder = TrainFolder(settings.output)
    weights = folder.checkpoints / "step-00000005" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    train(settings)
    assert "set aside as damaged-step-00000005" in capsys.readouterr().err
    assert_same_weights(whole, folder)


@pytest.mark.parametrize(("damage", "held"), [("gone", 0), ("its second line torn", 1)])
def test_a_run_whose_ledger_is_damaged_starts_over(
    make_settings: SettingsMaker, capsys: pytest.CaptureFixture[str], damage: str, held: int
) -> None:
    whole = train(make_settings(output="whole"))
    settings = make_settings(output="damaged")
    with pytest.raises(InterruptedRun):
        train(settings, stop=StopAfter(3))
    folder = TrainFolder(settings.output)
    if damage == "gone":
        folder.exposure.path.unlink()
    else:
        lines = folder.exposure.path.read_text().splitlines(keepends=True)
        folder.exposure.path.write_text(lines[0] + lines[1][:20] + "\n" + lines[2])
    train(settings)
    assert f"holds {held} of the 3 steps done" in capsys.readouterr().err
    assert_same_weights(whole, folder)
    assert folder.exposure.path.read_text() == whole.exposure.path.read_text()


def test_a_finished_run_is_left_as_it_is(make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = train(make_settings())
    before = {path: path.stat().st_mtime_ns for path in folder.output.rglob("*") if path.name != ".lock"}
    monkeypatch.setattr("nerkd_local.train.loading.new_student", None)  # not even loaded
    train(make_settings(log_every=1, keep_checkpoints=5))
    after = {path: path.stat().st_mtime_ns for path in folder.output.rglob("*") if path.name != ".lock"}
    assert after == before


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"learning_rate": 1e-2}, r"learning_rate \(there 0.0\d+, now 0.01\)"),
        ({"seed": 8, "max_tokens": 30}, r"max_tokens \(there 32, now 30\), seed \(there 1, now 8\)"),
        ({"steps": 4}, "plan"),
        ({"labels": ("PER", "LOC", "ORG")}, "labels"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_runs_folder_is_refused_and_the_difference_named(
    make_settings: SettingsMaker, changes: dict[str, Any], told: str, finished: bool
) -> None:
    if finished:
        train(make_settings())
    else:
        with pytest.raises(InterruptedRun):
            train(make_settings(), stop=StopAfter(2))
    with pytest.raises(InputError, match=f"another run, which differs in .*{told}.*name another output"):
        train(make_settings(**changes))


def test_moved_inputs_are_the_same_run(make_settings: SettingsMaker, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRun):
        train(make_settings(), stop=StopAfter(2))
    moved = tmp_path / "moved.jsonl"
    settings = make_settings()
    assert settings.original is not None
    settings.original.rename(moved)
    assert train(settings.model_copy(update={"original": moved})).done.exists()


def test_changed_threads_are_told_and_allowed(make_settings: SettingsMaker, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InterruptedRun):
        train(make_settings(), stop=StopAfter(2))
    try:
        train(make_settings(threads=2))
    finally:
        torch.set_num_threads(1)
    assert "resumed with threads 1 -> 2" in capsys.readouterr().err


def test_two_runs_cannot_write_into_one_folder(
    make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nerkd_local.train.folder._PATIENCE_S", 0.3)
    settings = make_settings()
    with TrainFolder(settings.output).locked(), pytest.raises(InputError, match="another run is writing here"):
        train(settings)
    assert "waiting up to 0.3 s for it to end" in capsys.readouterr().err


def test_a_run_waits_for_one_that_is_about_to_end(make_settings: SettingsMaker) -> None:
    settings = make_settings()
    with TrainFolder(settings.output).locked():
        waiting = threading.Thread(target=lambda: made.append(train(settings)))
        made: list[TrainFolder] = []
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(60)
    assert [folder.done.exists() for folder in made] == [True]


def test_lines_for_a_closed_terminal_do_not_end_a_run(
    make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w", buffering=1) as nowhere, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", nowhere)
        folder = train(make_settings(log_every=1))
        with suppress(OSError):  # what was left to say
            nowhere.close()
    assert folder.done.exists()


def test_processes_that_did_not_join_are_an_error(
    make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="the launcher started 2 processes and this one sees 1"):
        train(make_settings())


class CountingMeter:
    """A joule more whenever it is read."""

    range_joules = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.joules = 0.0

    def read(self) -> float | None:
        self.joules += 1
        return self.joules


def test_energy_is_counted_over_interruptions_and_changes_nothing_else(
    make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(make_settings(output="whole"))
    assert "energy_j" not in read_json(whole.done)
    monkeypatch.setattr("nerkd_local.energy.find_meters", lambda: Found((CountingMeter("a"), CountingMeter("b")), ()))
    with pytest.raises(InterruptedRun):
        train(make_settings(output="parts"), stop=StopAfter(3))
    monkeypatch.setattr("nerkd_local.energy.find_meters", lambda: Found((CountingMeter("b"), CountingMeter("c")), ()))
    parts = train(make_settings(output="parts"))
    done = read_json(parts.done)
    # only b counted both parts: once for the checkpoint, once for the end
    assert done["energy_j"] == {"b": 2.0}
    assert done["fingerprint"] == read_json(whole.done)["fingerprint"]
    assert_same_weights(whole, parts)


def test_energy_that_only_a_later_part_counted_is_not_the_whole_runs(
    make_settings: SettingsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InterruptedRun):
        train(make_settings(), stop=StopAfter(3))
    monkeypatch.setattr("nerkd_local.energy.find_meters", lambda: Found((CountingMeter("a"),), ()))
    assert "energy_j" not in read_json(train(make_settings()).done)
