"""The loss of an optimizer step, one number however the step is cut.

A step's loss is the sum of the cross entropy of all its labelled words, over all micro-batches and ranks,
divided by their number. (A mean per micro-batch or rank would weigh words by the company they keep.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nerkd_local.student.encode import Window, collate
from nerkd_local.train.data import TaggedWindow


def summed_loss(model: Any, windows: Sequence[TaggedWindow], pad: int, device: torch.device) -> torch.Tensor:
    """The summed cross entropy of the windows' words, in float32, shape (). At least one window is needed."""
    batch = collate([tagged.window for tagged in windows], pad).to(device)
    classes = torch.from_numpy(np.concatenate([tagged.classes for tagged in windows])).to(device)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    words = logits[batch.rows, batch.columns].float()
    loss: torch.Tensor = torch.nn.functional.cross_entropy(words, classes, reduction="sum")
    return loss


def zero_loss(model: Any, pad: int, device: torch.device) -> torch.Tensor:
    """A loss of 0 that reaches every parameter, for a rank with nothing to do in a step.

    Gradients are averaged when every rank has run a forward and a backward; one that skipped them would leave
    the others waiting.
    """
    blank = Window(np.array([pad], np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))
    batch = collate([blank], pad).to(device)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    loss: torch.Tensor = logits.float().sum() * 0.0
    return loss


def gradient_scale(step_labels: int, world_size: int) -> float:
    """What a summed loss is multiplied by before its backward.

    `step_labels` counts the whole step's labelled words on all ranks. Ranks' gradients are averaged, not
    summed, hence the world size. A step without any labelled word has loss 0.
    """
    return world_size / max(step_labels, 1)
