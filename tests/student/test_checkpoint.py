from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nerkd_local.student.checkpoint import (
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)


def save(folder: Path, step: int, keep: int = 2) -> Path:
    return save_checkpoint(folder, step, {"model": {"w": torch.full((3,), float(step))}}, {"seed": 7}, keep=keep)


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    save(tmp_path, 12)
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.meta) == (12, {"seed": 7})
    assert checkpoint.tensors("model")["w"].tolist() == [12.0, 12.0, 12.0]


def test_only_the_newest_are_kept_by_number_not_by_name(tmp_path: Path) -> None:
    for step in (9, 99_999_999, 100_000_000):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-100000000", "step-99999999"]


def test_a_step_saved_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_no_folder_and_an_empty_one_have_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "absent") is None
    assert newest_checkpoint(tmp_path) is None


def flip_a_byte(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (flip_a_byte, "model.safetensors has other content"),
        (lambda folder: (folder / "meta.json").write_text("{}"), "meta.json has another size"),
        (lambda folder: (folder / "meta.json").unlink(), "not those of its manifest: meta.json"),
        (lambda folder: (folder / "extra").touch(), "not those of its manifest: extra"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "cannot be read"),
        (lambda folder: (folder / "manifest.json").unlink(), "no such file"),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_with_the_reason(
    damage: Callable[[Path], object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 1)
    damage(save(tmp_path, 2))
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert (tmp_path / "damaged-step-00000002").is_dir()
    error = capsys.readouterr().err
    assert told in error
    assert "set aside as damaged-step-00000002" in error


def test_a_checkpoint_under_another_steps_name_is_not_believed(tmp_path: Path) -> None:
    shutil.copytree(save(tmp_path, 1), tmp_path / "step-00000005")
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1


def test_what_an_interrupted_write_left_is_removed(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".step-00000002.abc").mkdir()
    newest_checkpoint(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_failed_write_leaves_the_earlier_checkpoint_alone(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(tmp_path, 2, {}, {"loss": float("nan")}, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_an_optimizer_goes_on_from_its_restored_state() -> None:
    def steps(optimizer: torch.optim.Optimizer, weights: torch.Tensor, count: int) -> None:
        for _ in range(count):
            (weights**2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    whole = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = torch.optim.AdamW([whole], lr=0.1, fused=True)
    steps(optimizer, whole, 2)
    state = optimizer_tensors(optimizer, ["w"])
    assert set(state) == {"step:w", "exp_avg:w", "exp_avg_sq:w"}
    resumed = torch.nn.Parameter(whole.detach().clone())
    other = torch.optim.AdamW([resumed], lr=0.1, fused=True)
    restore_optimizer(other, ["w"], {name: tensor.clone() for name, tensor in state.items()})
    steps(optimizer, whole, 2)
    steps(other, resumed, 2)
    assert torch.equal(whole, resumed)
