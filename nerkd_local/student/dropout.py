"""Dropout that depends on the example and the step, and on nothing else.

Torch draws dropout from one stream a process, so what an example gets depends on its neighbours in the batch, on the
layout, and on how many processes there are. Here each token brings a key, and its mask is a row of a fixed table, found
by key and layer: the same on one process and on four, packed or padded, and cheaper than drawing (on a CPU thread, a
tenth of a training step went to drawing).

Only hidden states are dropped out, a mask a token. Attention weights are not: there is one for each pair of tokens, and
the fast kernels know no masks of ours. Nor is anything that belongs to no token, as DeBERTa's table of distances. Which
layer does what is found by watching one forward, not by names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

_ROWS = 4096
"""Masks in the table: two tokens share one in a layer by chance of one in so many."""

_PROBE = 3, 5
"""Rows and tokens of the batch whose forward is watched: no encoder is 5 wide."""

_GOLDEN = 0x9E3779B97F4A7C15
_MIXERS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""The numbers of SplitMix64 (Steele, Lea and Flood 2014)."""


def token_keys(seed: int, examples: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys of tokens from a step's seed, the number of each token's example in the step and its place there.

    Distinct for places below 2^20 and examples below 2^44, and well spread (the finalizer of SplitMix64). Shape: that
    of both arrays.
    """
    spread = np.uint64(seed * _GOLDEN % (1 << 64))
    key = examples.astype(np.uint64) << np.uint64(20) ^ positions.astype(np.uint64) ^ spread
    for shift, factor in zip((30, 27), _MIXERS, strict=True):
        key = (key ^ key >> np.uint64(shift)) * np.uint64(factor)
    return (key ^ key >> np.uint64(31)).view(np.int64)


@dataclass
class _Keys:
    """What the layers of one model share.

    `rows`: the row of the table for each token of the batch under way, shape (layers, rows of the batch, tokens).
    """

    rows: torch.Tensor | None = None
    tables: dict[tuple[float, int, torch.dtype, torch.device], torch.Tensor] = field(default_factory=dict)
    seed: int = 0

    def table(self, rate: float, like: torch.Tensor) -> torch.Tensor:
        """Masks for tokens of that width: 0 with probability `rate`, else 1 / (1 - rate). Shape: (4096, width)."""
        name = rate, like.shape[-1], like.dtype, like.device
        if name not in self.tables:
            generator = torch.Generator().manual_seed(self.seed)
            kept = torch.rand(_ROWS, like.shape[-1], generator=generator) >= rate
            scale = 0.0 if rate == 1 else 1 / (1 - rate)
            self.tables[name] = (kept * scale).to(like.dtype).to(like.device)
        return self.tables[name]


class KeyedDropout(torch.nn.Module):
    """In the place of one of a model's dropout layers; `number` tells the layers apart."""

    def __init__(self, rate: float, number: int, keys: _Keys) -> None:
        super().__init__()
        self.p = rate
        self._number = number
        self._keys = keys

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states of shape (rows, tokens, width), with the tokens' masks applied in training.

        Without keys for just these tokens it draws, as an ordinary layer does.
        """
        if not self.training or self.p == 0:
            return hidden
        rows = None if self._keys.rows is None else self._keys.rows[self._number]
        if rows is None or hidden.shape[:-1] != rows.shape:
            return torch.nn.functional.dropout(hidden, self.p)
        masks = self._keys.table(self.p, hidden)
        return hidden * masks.index_select(0, rows.reshape(-1)).view(hidden.shape)


class DropoutKeys:
    """The keyed dropout of a model whose layers have been replaced by `key_dropout`.

    `draws`: something in the model still draws at random in training, so that a step is not the same on another number
    of processes or in another layout.
    """

    def __init__(self, keys: _Keys, layers: int, *, draws: bool) -> None:
        self._keys = keys
        self._layers = layers
        self.draws = draws

    @contextmanager
    def of(self, keys: torch.Tensor) -> Iterator[None]:
        """Forward and backward in this block drop out by these keys, int64, shape (rows, tokens)."""
        self._keys.rows = table_rows(keys, self._layers)
        try:
            yield
        finally:
            self._keys.rows = None


def table_rows(keys: torch.Tensor, layers: int) -> torch.Tensor:
    """Which row of the table each layer takes for each token. Shape: (layers, *that of `keys`).

    Two rounds of mixing: after a product alone, two tokens that share a row in one layer often do in the next as well.
    """
    salts = torch.arange(1, layers + 1, device=keys.device) * _signed(_GOLDEN)
    mixed = (keys ^ salts.view(-1, *(1 for _ in keys.shape))) * _signed(_MIXERS[0])
    mixed = (mixed ^ mixed >> 32) * _signed(_MIXERS[1])
    return mixed >> 52 & (_ROWS - 1)


def key_dropout(model: Any, seed: int) -> DropoutKeys:
    """Replace the dropout of hidden states by keyed dropout, put an end to any other; returns what sets the keys.

    Found by two or more forwards of a few tokens, in training mode, which `model` is left out of if it was. The config
    keeps its rates. What an architecture drops out of hidden states without a layer, or of hidden states that it has
    laid out anew, cannot be replaced: it stays, and `draws` says so.
    """
    keys = _Keys(seed=seed)
    inputs = _inputs(model)
    number = 0
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, torch.nn.Dropout):
                continue
            shapes = inputs.get(layer, [])
            if shapes and all(map(_is_of_tokens, shapes)):
                setattr(parent, name, KeyedDropout(layer.p, number, keys))
            elif not any(map(_is_of_texts, shapes)):
                layer.p = 0.0  # its rate may be read without calling it, as attention does
            number += 1
    draws, by_hand = _probe(model, keys, number)
    if draws:
        for group in _rates(model):
            before = [getattr(module, name) for module, name in group]
            for module, name in group:
                setattr(module, name, 0.0)
            draws, left = _probe(model, keys, number)
            if left < by_hand:  # that was dropout of hidden states
                for (module, name), rate in zip(group, before, strict=True):
                    setattr(module, name, rate)
                draws = True
            elif not draws:
                break
    return DropoutKeys(keys, number, draws=draws)


def _inputs(model: Any) -> dict[torch.nn.Module, list[torch.Size]]:
    """The shapes that each dropout layer is called with."""
    called: dict[torch.nn.Module, list[torch.Size]] = {}

    def note(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        called.setdefault(layer, []).append(inputs[0].shape)

    hooks = [layer.register_forward_pre_hook(note) for layer in model.modules() if isinstance(layer, torch.nn.Dropout)]
    try:
        _probe(model, _Keys(), 0)
    finally:
        for hook in hooks:
            hook.remove()
    return called


def _rates(model: Any) -> list[list[tuple[torch.nn.Module, str]]]:
    """Dropout rates that modules hold as plain numbers, those of one class and name together."""
    groups: dict[tuple[type, str], list[tuple[torch.nn.Module, str]]] = {}
    for module in model.modules():
        if not isinstance(module, KeyedDropout | torch.nn.Dropout):
            for name, value in vars(module).items():
                if "drop" in name and isinstance(value, float) and 0 < value <= 1:
                    groups.setdefault((type(module), name), []).append((module, name))
    return list(groups.values())


@torch.no_grad()
def _probe(model: Any, keys: _Keys, layers: int) -> tuple[bool, int]:
    """One forward in training: whether anything drew at random, and how often hidden states were dropped out."""
    device = next(model.parameters()).device
    training = model.training
    ids = torch.arange(_PROBE[0] * _PROBE[1], device=device).view(_PROBE) % model.get_input_embeddings().num_embeddings
    devices = [device] if device.type == "cuda" else []
    keys.rows = table_rows(ids, layers)
    try:
        model.train()
        with torch.random.fork_rng(devices=devices), _Dropouts() as seen:
            before = _generators(device)
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
            drawn = not all(map(torch.equal, before, _generators(device)))
        return drawn, seen.of_hidden
    finally:
        keys.rows = None
        model.train(training)


def _generators(device: torch.device) -> list[torch.Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


class _Dropouts(TorchFunctionMode):
    """Counts the functional dropouts of hidden states."""

    def __init__(self) -> None:
        super().__init__()
        self.of_hidden = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.dropout:
            rate = args[1] if len(args) > 1 else (kwargs or {}).get("p", 0.5)
            self.of_hidden += _is_of_texts(args[0].shape) and rate > 0
        return func(*args, **(kwargs or {}))


def _is_of_tokens(shape: torch.Size) -> bool:
    """Whether a tensor of the probe's forward holds a vector for each of its tokens."""
    return len(shape) == 3 and tuple(shape[:2]) == _PROBE and shape[2] != _PROBE[1]


def _is_of_texts(shape: torch.Size) -> bool:
    """Whether it holds hidden states laid out in some other way, as Longformer's, which has padding of its own."""
    return len(shape) == 3 and shape[0] == _PROBE[0] and shape[1] != shape[2]


def _signed(number: int) -> int:
    """A number modulo 2^64 as int64 has it."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
