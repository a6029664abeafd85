"""The loss of an optimizer step, one number however the step is cut.

A step's loss is the sum over all its labelled words, over all micro-batches and ranks, divided by their number. (A mean
per micro-batch or rank would weigh words by the company they keep.) Original words always count as their plain cross
entropy. What is done about noise in the distilled labels changes the distilled words' terms alone: their number stays
in the divisor whatever they weigh, so no setting makes an original word count more or less.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nerkd_local.student.encode import Window, collate
from nerkd_local.student.packing import word_logits
from nerkd_local.train.data import Words
from nerkd_local.train.settings import DistilledLoss


def source_losses(logits: torch.Tensor, words: Words, settings: DistilledLoss, channel: torch.Tensor | None) -> Any:
    """The summed loss of the original words and of the distilled ones, in float32. Shape: (2,).

    `logits`: shape (words, classes). `channel`: shape (classes, classes), the probability that the annotator writes the
    second class where the first is true; for the loss of that name.
    """
    log_p = torch.log_softmax(logits.float(), -1)
    original = torch.where(words.distilled[:, None], 0.0, -words.targets * log_p).sum()
    return torch.stack([original, distilled_loss(log_p, words, settings, channel)])


def distilled_loss(
    log_p: torch.Tensor, words: Words, settings: DistilledLoss, channel: torch.Tensor | None
) -> torch.Tensor:
    """The summed, weighted loss of the distilled words. Shape: ().

    With target distribution t (one-hot, or the shares of votes) and the student's probabilities p:

    cross_entropy  -sum_c t_c log p_c
    generalised    sum_c t_c (1 - p_c^q) / q: nearer 0 for a word that the student is sure is labelled wrongly. q -> 0
                   is cross entropy, q = 1 the mean absolute error (Zhang and Sabuncu, arXiv 1805.07836)
    channel        -sum_c t_c log sum_y p_y T_yc: the annotator's label is the true one through a noisy channel T
                   (forward correction: Patrini et al., arXiv 1609.03683)
    """
    if settings.kind == "cross_entropy":
        terms = -words.targets * log_p
    elif settings.kind == "generalised":
        terms = words.targets * (1 - (settings.q * log_p).exp()) / settings.q
    else:
        assert channel is not None
        terms = -words.targets * torch.logsumexp(log_p[:, :, None] + channel.log(), 1)
    weights = torch.where(words.distilled, words.weights, 0.0)
    loss: torch.Tensor = settings.weight * (weights[:, None] * terms).sum()
    return loss


def zero_loss(model: Any, pad: int, device: torch.device) -> torch.Tensor:
    """A loss of 0 that reaches every parameter, for a rank with nothing to do in a step.

    Gradients are averaged when every rank has run a forward and a backward; one that skipped them would leave
    the others waiting.
    """
    blank = Window(np.array([pad], np.int32), np.zeros(1, np.int32), np.zeros(1, np.int32))
    loss: torch.Tensor = word_logits(model, collate([blank], pad).to(device)).float().sum() * 0.0
    return loss


def gradient_scale(step_labels: int, world_size: int) -> float:
    """What a summed loss is multiplied by before its backward.

    `step_labels` counts the whole step's labelled words on all ranks. Ranks' gradients are averaged, not
    summed, hence the world size. A step without any labelled word has loss 0.
    """
    return world_size / max(step_labels, 1)
