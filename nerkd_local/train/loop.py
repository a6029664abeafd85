"""The optimizer steps: a plain loop over the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.errors import CheckFailed
from nerkd_local.fingerprints import digest
from nerkd_local.regimen.plan import Plan
from nerkd_local.student.device import autocast
from nerkd_local.student.dropout import DropoutKeys
from nerkd_local.student.kernels import fast_kernels
from nerkd_local.student.packing import Layout, word_logits
from nerkd_local.train.data import (
    Example,
    Examples,
    Piece,
    micro_batches,
    step_examples,
    step_pieces,
    words_of,
)
from nerkd_local.train.loss import gradient_scale, source_losses, zero_loss
from nerkd_local.train.rate import learning_rate
from nerkd_local.train.settings import TrainSettings

_FORWARD_TOKENS = {"cpu": 1024}
_DEVICE_FORWARD_TOKENS = 32768

_ROW_TOKENS = 256
"""Attention's share of a row's work grows with its length: at 256 tokens a tenth of it, for a 384-wide encoder."""


@dataclass(slots=True)
class Parts:
    """What the steps work with. `model` and `optimizer` are prepared by the accelerator.

    `plan` is the one thing that may be replaced as training goes: by the same plan with its later steps planned anew.
    """

    accelerator: Any
    model: Any
    optimizer: Any
    plan: Plan
    examples: Examples
    layout: Layout
    precision: Literal["fp32", "bf16"]
    dropout: DropoutKeys
    embeddings: torch.nn.Parameter
    """The table of token embeddings (cut, see `student.vocabulary`), whose gradient is zero but for a step's tokens."""
    channel: torch.Tensor | None


class Step(NamedTuple):
    """What came of an optimizer step: by source, original first, the summed loss, the labelled words and the tokens."""

    number: int
    loss: tuple[float, float]
    labels: tuple[int, int]
    tokens: tuple[int, int]
    learning_rate: float


def run_steps(
    parts: Parts,
    settings: TrainSettings,
    begin: int,
    *,
    stop: Callable[[], bool],
    log: Callable[[Step], None],
    checkpoint: Callable[[int], None],
    checkpoint_at: Collection[int] = (),
    evaluate: Callable[[int], bool] = lambda steps: True,
    before: Callable[[int], None] = lambda number: None,
) -> int:
    """Run the plan's steps from `begin` on; returns how many are done: all, or fewer when stopped.

    After each step all ranks share its loss and whether any of them wants to stop, so they stop together,
    with a checkpoint. `log` hears of every step; `checkpoint` is called every `checkpoint_every` steps and after the
    numbers of steps in `checkpoint_at`, `evaluate` every `evaluate_every` (neither after the last). What `evaluate`
    answers, the same on all ranks, is whether to go on; `before` hears of every step before it, and may put another
    plan of what follows into `parts`. Raises CheckFailed when the loss is no longer a
    number.
    """
    steps = len(parts.plan.steps)
    if begin < steps:
        settle_exchange(parts)
    for number in range(begin, steps):
        before(number)
        done, loss = run_step(parts, settings, number)
        # One small exchange a step. It makes the host wait for the device, which costs a GPU some idle time,
        # and buys that ranks never part.
        shared = torch.cat([loss, torch.tensor([float(stop())], dtype=torch.float64, device=loss.device)])
        original, distilled, stops = parts.accelerator.reduce(shared, reduction="sum").tolist()
        if not math.isfinite(original + distilled):
            raise CheckFailed(
                f"the loss is {original + distilled} at step {number + 1}; lower learning_rate (now "
                f"{settings.learning_rate:g}) or set precision to fp32"
            )
        log(done._replace(loss=(original, distilled)))
        if number + 1 == steps:
            break
        every, evaluate_every = settings.checkpoint_every, settings.evaluate_every
        if evaluate_every and (number + 1) % evaluate_every == 0 and not stops:
            stops = not evaluate(number + 1)
        if stops or number + 1 in checkpoint_at or (every and (number + 1) % every == 0):
            checkpoint(number + 1)
        if stops:
            return number + 1
    return steps


def settle_exchange(parts: Parts) -> None:
    """Have the ranks' first exchange of gradients behind them before a step counts. All ranks call this.

    torch lays out what the ranks exchange anew after a process's first backward, and with three ranks or more the order
    in which an element is added up depends on where it stands: without this, the step that a resumed run begins with
    would end in other last bits than the same step of a run that was not interrupted.
    """
    accelerator = parts.accelerator
    if accelerator.num_processes == 1:
        return
    with autocast(parts.precision, accelerator.device):
        loss = zero_loss(parts.model, parts.layout.pad, accelerator.device)
    accelerator.backward(loss)
    parts.optimizer.zero_grad()


def run_step(parts: Parts, settings: TrainSettings, number: int) -> tuple[Step, torch.Tensor]:
    """One optimizer step (numbered from 0) on exactly the plan's examples, each rank on its slice of them.

    Returns what it was made of (its loss still 0), and this rank's summed loss by source (float64, shape (2,)).
    Dropout depends on (seed, step, example) alone, where the model's layers allow it (see `student.dropout`); torch's
    global generators, from which any other layer draws, are reseeded from (seed, step, rank).
    """
    accelerator, model = parts.accelerator, parts.model
    rank, world, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    torch.manual_seed(int(digest(settings.seed, number, rank)[:15], 16))
    examples = step_examples(parts.plan.steps[number], parts.examples)
    scale = gradient_scale(sum(example.labels for example in examples), world)
    pieces = step_pieces(examples, int(digest(settings.seed, number)[:15], 16), rank, world)
    groups = micro_batches(pieces, forward_tokens(settings, device))
    total = torch.zeros(2, dtype=torch.float64, device=device)
    for index, group in enumerate(groups or [[]]):
        # Ranks may hold different numbers of groups; gradients are exchanged in each one's last backward.
        with nullcontext() if index + 1 >= len(groups) else accelerator.no_sync(model):
            if group:
                losses = piece_losses(parts, settings, group, model)
                total += losses.detach()
                loss = losses.sum()
            else:
                with autocast(parts.precision, device):
                    loss = zero_loss(model, parts.layout.pad, device)
            accelerator.backward(loss * scale)
    rate = learning_rate(settings, number, len(parts.plan.steps))
    for options in parts.optimizer.param_groups:
        options["lr"] = rate
    # not `model.parameters()`: to walk through the modules took 1.5 of a step's 85 ms
    trained = [weights for options in parts.optimizer.param_groups for weights in options["params"]]
    clip_gradients(trained, parts.embeddings, touched_rows(examples), settings.max_grad_norm)
    parts.optimizer.step()
    parts.optimizer.zero_grad()
    return _describe(number, examples, rate), total


def forward_tokens(settings: TrainSettings, device: torch.device) -> int:
    """How many sub-tokens go through the model at once."""
    return settings.forward_tokens or _FORWARD_TOKENS.get(device.type, _DEVICE_FORWARD_TOKENS)


def piece_losses(parts: Parts, settings: TrainSettings, group: list[Piece], model: Any) -> torch.Tensor:
    """The summed losses of a group of windows, by source, original first. Shape: (2,)."""
    device = parts.accelerator.device
    windows = [piece.tagged.window for piece in group]
    batch = parts.layout.batch(windows, row_tokens=_ROW_TOKENS)
    keys = torch.from_numpy(batch.laid_out([piece.keys for piece in group])).to(device)
    batch, words = batch.to(device), words_of(group).to(device)
    with parts.dropout.of(keys), autocast(parts.precision, device), fast_kernels(device):
        logits = word_logits(model, batch)
    losses: torch.Tensor = source_losses(logits, words, settings.distilled_loss, parts.channel)
    return losses


def touched_rows(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The rows of the embedding table that the examples look up, ascending."""
    ids = [tagged.window.input_ids for example in examples for tagged in example.windows]
    return np.unique(np.concatenate(ids)).astype(np.int64) if ids else np.zeros(0, np.int64)


def clip_gradients(
    trained: Iterable[torch.nn.Parameter], embeddings: torch.nn.Parameter, rows: NDArray[np.int64], max_norm: float
) -> None:
    """Scale all gradients so that their norm is at most `max_norm`.

    Of the embeddings only the step's rows are read: the others' gradients are zero, and so the sum is the same to the
    last bit whatever else the table holds.
    """
    held = [weights for weights in trained if weights.grad is not None]
    norm = torch.nn.utils.get_total_norm([_read(weights, embeddings, rows) for weights in held])
    if norm.device.type != "cpu" or not norm <= max_norm:  # a device would have to be waited for
        torch.nn.utils.clip_grads_with_norm_(held, max_norm, norm)


def _read(weights: torch.nn.Parameter, embeddings: torch.nn.Parameter, rows: NDArray[np.int64]) -> torch.Tensor:
    """What counts of a gradient for the norm."""
    assert weights.grad is not None
    return weights.grad if weights is not embeddings else weights.grad[torch.from_numpy(rows).to(weights.device)]


def _describe(number: int, examples: Sequence[Example], rate: float) -> Step:
    def count(what: Callable[[Example], int]) -> tuple[int, int]:
        original = sum(what(example) for example in examples if example.source == "original")
        return original, sum(map(what, examples)) - original

    labels, tokens = count(lambda example: example.labels), count(lambda example: example.tokens)
    return Step(number, (0.0, 0.0), labels, tokens, rate)


def new_optimizer(model: Any, embeddings: torch.nn.Parameter, settings: TrainSettings) -> tuple[Any, list[str]]:
    """AdamW over the model's parameters, and their names in the optimizer's order.

    Biases and norms (one dimension) do not decay, nor do token embeddings: a row decays whether it is looked up or not,
    and those of words that the corpus does not hold are to stay as they were pretrained. The fused kernel takes 0.03 s
    a step instead of 0.13 s on a CPU thread for 22 M parameters.
    """
    named = [(name, weights) for name, weights in model.named_parameters() if weights.requires_grad]
    level = [(name, weights) for name, weights in named if weights.ndim <= 1 or weights is embeddings]
    decaying = [(name, weights) for name, weights in named if weights.ndim > 1 and weights is not embeddings]
    groups = [
        {"params": [weights for _, weights in decaying], "weight_decay": settings.weight_decay},
        {"params": [weights for _, weights in level], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    return optimizer, [name for name, _ in decaying + level]
