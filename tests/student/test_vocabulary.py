from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.student.model import new_student
from nerkd_local.student.vocabulary import Vocabulary


def test_the_rows_are_those_that_occur_and_those_that_are_kept() -> None:
    vocabulary = Vocabulary.of([np.array([7, 3, 7], np.int32), np.array([], np.int32)], 0, 9)
    assert vocabulary.rows.tolist() == [0, 3, 7, 9]
    assert vocabulary.numbers(np.array([9, 3, 3])).tolist() == [3, 1, 1]
    assert vocabulary.numbers(np.array([], np.int32)).tolist() == []


@given(st.sets(st.integers(0, 50), min_size=1), st.data())
def test_numbers_lead_back_to_the_ids(rows: set[int], data: st.DataObject) -> None:
    vocabulary = Vocabulary.of([np.array(sorted(rows))])
    ids = np.array(data.draw(st.lists(st.sampled_from(sorted(rows)))), np.int64)
    numbers = vocabulary.numbers(ids)
    assert vocabulary.rows[numbers].tolist() == ids.tolist()
    assert numbers.dtype == np.int32


@pytest.mark.parametrize("id", [0, 4, 8, 1000])
def test_an_id_without_a_row_is_no_number(id: int) -> None:
    with pytest.raises(KeyError, match="no row"):
        Vocabulary.of([np.array([3, 7])]).numbers(np.array([3, id]))


def trained(model: Any, ids: torch.Tensor, steps: int = 4) -> None:
    """AdamW without decay on the table, as the trainer does it."""
    table = model.get_input_embeddings().weight
    others = [weights for weights in model.parameters() if weights is not table]
    groups = [{"params": others, "weight_decay": 0.1}, {"params": [table], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2)
    model.eval()  # no dropout
    for step in range(steps):
        rows = ids[step % len(ids)][None]
        logits = model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits
        logits.log_softmax(-1)[..., 1].sum().neg().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_training_the_cut_table_is_training_the_whole_one(tiny_encoder: Path) -> None:
    ids = np.array([[2, 5, 6, 7, 20, 3], [2, 9, 5, 33, 0, 3]])  # the last but one is padding
    whole, _ = new_student(tiny_encoder, ["A"], seed=1)
    before = whole.get_input_embeddings().weight.detach().clone()
    trained(whole, torch.from_numpy(ids))
    student, _ = new_student(tiny_encoder, ["A"], seed=1)
    vocabulary = Vocabulary.of(ids, 0, 41)
    table = vocabulary.cut(student)
    assert torch.equal(table, before)
    layer = student.get_input_embeddings()
    assert (layer.num_embeddings, len(layer.weight)) == (10, 10)
    trained(student, torch.from_numpy(vocabulary.numbers(ids).astype(np.int64)))
    vocabulary.put_back(student, table)
    assert (layer.num_embeddings, layer.padding_idx) == (len(before), 0)
    expected = whole.state_dict()
    assert student.state_dict().keys() == expected.keys()
    for name, weights in student.state_dict().items():
        torch.testing.assert_close(weights, expected[name], rtol=1e-5, atol=1e-6)
    after = layer.weight.detach()
    moved = (after != before).any(-1).nonzero().flatten().tolist()
    assert moved == [2, 3, 5, 6, 7, 9, 20, 33]  # not padding, not what is kept without being looked up
    assert torch.equal(table, before)


@pytest.mark.parametrize(("padding", "kept"), [(5, 1), (0, 0), (4, None), (None, None)])
def test_the_padding_row_is_found_again_or_there_is_none(padding: int | None, kept: int | None) -> None:
    model = torch.nn.Module()
    layer = torch.nn.Embedding(8, 2, padding_idx=padding)
    model.get_input_embeddings = lambda: layer  # type: ignore[assignment]
    vocabulary = Vocabulary(np.array([0, 5, 7]))
    table = vocabulary.cut(model)
    assert layer.padding_idx == kept
    vocabulary.put_back(model, table)
    assert layer.padding_idx == (padding if kept is not None else None)
    assert torch.equal(layer.weight.detach(), table)


@given(st.sets(st.integers(0, 12), min_size=1), st.sets(st.integers(0, 12), min_size=1))
def test_state_goes_over_to_other_rows_by_token_id(mine: set[int], theirs: set[int]) -> None:
    here, there = Vocabulary.of([np.array(sorted(mine))]), Vocabulary.of([np.array(sorted(theirs))])
    state = torch.from_numpy(there.rows[:, None] * [10.0, 10.0])
    otherwise = torch.full((len(mine), 2), -1.0, dtype=torch.float64)
    carried = here.carried_over(state, there, otherwise)
    expected = [[10.0 * row] * 2 if row in theirs else [-1.0, -1.0] for row in sorted(mine)]
    assert carried.tolist() == expected
    assert (otherwise == -1).all()
