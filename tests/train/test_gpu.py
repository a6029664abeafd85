"""The same commands on a GPU, which accelerate chooses: a tiny student is trained and predicts there."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.files import read_json
from nerkd_local.records import from_words
from nerkd_local.regimen.plan import load_plan
from nerkd_local.student.model import load_trained
from nerkd_local.student.predict import predict
from nerkd_local.train.exposure import replay
from nerkd_local.train.launch import launch
from tests.train.conftest import SettingsMaker, documents
from tests.train.test_launch import CONFIGS, ROOT, read_lines, start_launching, wait_for_a_step, write

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_student_is_trained_scored_and_predicts_on_the_gpu(
    make_settings: SettingsMaker, tmp_path: Path, precision: str
) -> None:
    write_documents(tmp_path / "gold.jsonl", documents("gold"))
    changes: dict[str, Any] = {"evaluation": tmp_path / "gold.jsonl", "evaluate_every": 20, "keep": "best"}
    settings = make_settings(steps=60, learning_rate=5e-3, precision=precision, **changes)
    assert launch(write(settings, tmp_path), CONFIGS / "single_gpu.yaml") == 0
    done = read_json(settings.output / "done.json")
    assert (done["device"], done["world_size"], done["precision"]) == ("cuda", 1, precision)
    replay(settings.output / "exposure.jsonl", load_plan(settings.plan))
    model, tokenizer = load_trained(settings.output / "student")
    words = ["anna", "lives", "in", "paris"]
    (answer,) = predict(model, tokenizer, [from_words("d", words)], precision=precision)  # type: ignore[arg-type]
    assert next(model.parameters()).device.type == "cuda"
    assert answer.tags == ["B-PER", "O", "O", "B-LOC"]
    (on_cpu,) = predict(model, tokenizer, [from_words("d", words)], device=torch.device("cpu"))
    assert on_cpu.tags == answer.tags
    assert on_cpu.confidences == pytest.approx(answer.confidences, abs=0.02)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_gpu_sees_the_cpus_steps(make_settings: SettingsMaker, tmp_path: Path, dropout: float) -> None:
    """The same examples, rates and dropout; sums are rounded in another order."""
    there, here = (make_settings(output=name, steps=5, dropout=dropout) for name in ("gpu", "cpu"))
    assert launch(write(there, tmp_path), CONFIGS / "single_gpu.yaml") == 0
    assert launch(write(here, tmp_path), CONFIGS / "cpu.yaml") == 0
    assert_the_same_steps(there.output / "exposure.jsonl", here.output / "exposure.jsonl")


def assert_the_same_steps(there: Path, here: Path) -> None:
    for one, other in zip(read_lines(there), read_lines(here), strict=True):
        for source in ("original", "distilled"):
            losses = one[source].pop("loss"), other[source].pop("loss")
            assert losses[0] == losses[1] or losses[0] == pytest.approx(losses[1], rel=1e-2)
        assert one == other


def test_two_ranks_share_a_gpu_over_gloo(make_settings: SettingsMaker, tmp_path: Path) -> None:
    one, two = (make_settings(output=name, steps=5) for name in ("one", "two"))
    ranks = (CONFIGS / "multi_gpu.yaml").read_text().replace("num_processes: 2", f"num_processes: {_crowd()}")
    (tmp_path / "ranks.yaml").write_text(ranks)
    assert launch(write(one, tmp_path), CONFIGS / "single_gpu.yaml") == 0
    assert launch(write(two, tmp_path), tmp_path / "ranks.yaml") == 0
    done = read_json(two.output / "done.json")
    assert (done["device"], done["ranks"]) == ("cuda", list(range(_crowd())))
    assert_the_same_steps(two.output / "exposure.jsonl", one.output / "exposure.jsonl")


def _crowd() -> int:
    """One process more than there are GPUs."""
    return torch.cuda.device_count() + 1


def test_a_run_that_is_stopped_on_the_gpu_can_go_on_on_the_cpu(
    make_settings: SettingsMaker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings(steps=300, log_every=1)
    config = write(settings, tmp_path)
    process = start_launching(config, CONFIGS / "single_gpu.yaml")
    wait_for_a_step(process, settings, 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    assert launch(config, CONFIGS / "cpu.yaml") == 0
    assert "device cuda -> cpu" in capfd.readouterr().err
    replay(settings.output / "exposure.jsonl", load_plan(settings.plan))
