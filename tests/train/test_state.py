"""A checkpoint is read by whoever shares the steps, whatever rows of the embedding table either has in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from nerkd_local.student.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from nerkd_local.student.model import new_student
from nerkd_local.student.vocabulary import Vocabulary
from nerkd_local.train.loop import new_optimizer
from nerkd_local.train.settings import TrainSettings
from nerkd_local.train.state import restore_state, restore_weights, state_tensors
from tests.train.conftest import SettingsMaker

TABLE = "bert.embeddings.word_embeddings.weight"
SHARED = [5, 7, 9]
"""What both runs look up in their shared steps."""


class Run(NamedTuple):
    model: Any
    optimizer: Any
    names: list[str]
    vocabulary: Vocabulary
    table: torch.Tensor

    def train(self, ids: list[int]) -> None:
        numbers = torch.from_numpy(self.vocabulary.numbers(np.array(ids)))[None].long()
        self.model(input_ids=numbers).logits.log_softmax(-1)[..., 1].sum().neg().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def restore(self, checkpoint: Checkpoint) -> None:
        restore_state(checkpoint, self.model, self.optimizer, self.names, self.vocabulary, self.table)


def new_run(settings: TrainSettings, *rows: int) -> Run:
    model, _ = new_student(settings.student, settings.labels, 1)
    model.eval()  # no dropout
    vocabulary = Vocabulary.of([np.array(rows)], 0)
    table = vocabulary.cut(model)
    optimizer, names = new_optimizer(model, model.get_input_embeddings().weight, settings)
    return Run(model, optimizer, names, vocabulary, table)


def saved(run: Run, folder: Path) -> Checkpoint:
    tensors = state_tensors(run.model, run.optimizer, run.names, run.vocabulary)
    save_checkpoint(folder, 2, tensors, {}, keep=1)
    checkpoint = newest_checkpoint(folder)
    assert checkpoint is not None
    return checkpoint


@pytest.mark.parametrize("own", [[], [11], [6, 30]], ids=["none of its own", "a later one", "between and later"])
def test_a_run_goes_on_from_anothers_checkpoint_as_if_it_had_made_the_steps_itself(
    make_settings: SettingsMaker, tmp_path: Path, own: list[int]
) -> None:
    settings = make_settings(learning_rate=1e-2)
    other, alone, joined = (new_run(settings, *SHARED, *rows) for rows in ([8, 20], own, own))
    for run in (other, alone):
        run.train(SHARED)
        run.train(SHARED[::-1])
    joined.restore(saved(other, tmp_path))
    for run in (alone, joined):  # what differs from here on
        run.train([*SHARED, *own])
    for (name, mine), theirs in zip(joined.model.state_dict().items(), alone.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    state, expected = joined.optimizer.state_dict()["state"], alone.optimizer.state_dict()["state"]
    assert state.keys() == expected.keys()
    for number in state:
        assert all(torch.equal(state[number][key], expected[number][key]) for key in ("step", "exp_avg", "exp_avg_sq"))


def test_rows_that_only_one_of_them_has(make_settings: SettingsMaker, tmp_path: Path) -> None:
    settings = make_settings(learning_rate=1e-2)
    other, mine = new_run(settings, *SHARED, 8), new_run(settings, *SHARED, 11)
    pretrained = mine.table.clone()
    other.train([*SHARED, 8])
    checkpoint = saved(other, tmp_path)
    mine.restore(checkpoint)
    rows = dict(zip(mine.vocabulary.rows.tolist(), mine.model.state_dict()[TABLE], strict=True))
    assert sorted(rows) == [0, 5, 7, 9, 11]
    assert torch.equal(rows[11], pretrained[11])  # as it was pretrained
    for id in SHARED:
        assert not torch.equal(rows[id], pretrained[id])
    state = mine.optimizer.state_dict()["state"][mine.names.index(TABLE)]
    assert state["exp_avg"].shape == state["exp_avg_sq"].shape == mine.model.state_dict()[TABLE].shape
    assert not state["exp_avg"][4].any()
    assert state["exp_avg"][1].any()


def test_weights_alone_leave_the_optimizer_as_it_is(make_settings: SettingsMaker, tmp_path: Path) -> None:
    settings = make_settings(learning_rate=1e-2)
    run, fresh = new_run(settings, *SHARED), new_run(settings, *SHARED)
    run.train(SHARED)
    assert restore_weights(saved(run, tmp_path), fresh.model, fresh.vocabulary, fresh.table) == TABLE
    assert all(map(torch.equal, fresh.model.state_dict().values(), run.model.state_dict().values()))
    assert not fresh.optimizer.state_dict()["state"]
