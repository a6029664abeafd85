"""What a checkpoint holds of a run under way, in terms of token ids: any run that shares the steps can go on from it.

The embedding table is cut to the rows that a run's examples use, and another run with the same first steps may have
other rows: those that only one of them has were not looked up in these steps, so they are as they were pretrained and
their optimizer state is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nerkd_local.student.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from nerkd_local.student.vocabulary import Vocabulary

_ROWS = "rows"


def state_tensors(
    model: Any, optimizer: Any, names: list[str], vocabulary: Vocabulary
) -> dict[str, Mapping[str, torch.Tensor]]:
    """The tensors of a checkpoint, by file."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer_tensors(optimizer, names),
        "vocabulary": {_ROWS: torch.from_numpy(vocabulary.rows)},
    }


def restore_state(
    checkpoint: Checkpoint,
    model: Any,
    optimizer: Any,
    names: list[str],
    vocabulary: Vocabulary,
    table: torch.Tensor,
) -> None:
    """Put a checkpoint's state into a freshly loaded model and optimizer. `table`: the whole pretrained embeddings."""
    name = restore_weights(checkpoint, model, vocabulary, table)
    theirs = _vocabulary(checkpoint)
    state = checkpoint.tensors("optimizer")
    for key in state:
        if key.endswith(f":{name}") and state[key].ndim > 1:
            zeros = torch.zeros(len(vocabulary.rows), *state[key].shape[1:])
            state[key] = vocabulary.carried_over(state[key], theirs, zeros)
    restore_optimizer(optimizer, names, state)


def restore_weights(checkpoint: Checkpoint, model: Any, vocabulary: Vocabulary, table: torch.Tensor) -> str:
    """Put a checkpoint's weights into a model with a cut table; returns the name of that table among them."""
    theirs = _vocabulary(checkpoint)
    embeddings = model.get_input_embeddings().weight
    name: str = next(each for each, weights in model.named_parameters() if weights is embeddings)
    pretrained = table[torch.from_numpy(vocabulary.rows)]
    weights = checkpoint.tensors("model")
    weights[name] = vocabulary.carried_over(weights[name], theirs, pretrained)
    model.load_state_dict(weights)
    return name


def _vocabulary(checkpoint: Checkpoint) -> Vocabulary:
    return Vocabulary(checkpoint.tensors("vocabulary")[_ROWS].numpy())
