"""Dropout that depends on the example and the step, and on nothing else.

Torch draws dropout from one stream a process, so what an example gets depends on its neighbours in the batch, on the
layout, and on how many processes there are. Here each token brings a key, and its mask is a row of a fixed table, found
by key and layer: the same on one process and on four, packed or padded, and cheaper than drawing (on a CPU thread, a
tenth of a training step went to drawing).

Attention weights are not dropped out: there is one for each pair of tokens, and the fast kernels know no masks of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_ROWS = 4096
"""Masks in the table: two tokens share one in a layer by chance of one in so many."""

_ATTENTION_RATES = ("attention_probs_dropout_prob", "attention_dropout")
_MIX = 0x9E3779B97F4A7C15
"""Knuth's multiplicative hashing: the high bits of a product with this tell keys apart."""


def token_keys(seed: int, examples: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys of tokens from a step's seed, the number of each token's example in the step and its place there.

    Distinct for places below 2^20 and well spread (the finalizer of SplitMix64). Shape: that of both arrays.
    """
    spread = np.uint64(seed * _MIX % (1 << 64))
    key = examples.astype(np.uint64) << np.uint64(20) ^ positions.astype(np.uint64) ^ spread
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        key = (key ^ key >> np.uint64(shift)) * np.uint64(factor)
    return (key ^ key >> np.uint64(31)).view(np.int64)


@dataclass
class _Keys:
    """What the layers of one model read: the keys of the batch under way, shape (rows, tokens)."""

    value: torch.Tensor | None = None
    tables: dict[tuple[float, int, torch.dtype, torch.device], torch.Tensor] = field(default_factory=dict)
    seed: int = 0

    def table(self, rate: float, like: torch.Tensor) -> torch.Tensor:
        """Masks for tokens of that width: 0 with probability `rate`, else 1 / (1 - rate). Shape: (4096, width)."""
        name = rate, like.shape[-1], like.dtype, like.device
        if name not in self.tables:
            generator = torch.Generator().manual_seed(self.seed)
            kept = torch.rand(_ROWS, like.shape[-1], generator=generator) >= rate
            self.tables[name] = (kept / (1 - rate)).to(like.dtype).to(like.device)
        return self.tables[name]


class KeyedDropout(torch.nn.Module):
    """In the place of one of a model's dropout layers; `number` tells the layers apart."""

    def __init__(self, rate: float, number: int, keys: _Keys) -> None:
        super().__init__()
        self.p = rate
        factor = _MIX * (2 * number + 1) % (1 << 64)
        self._factor = factor - (1 << 64) if factor >= 1 << 63 else factor  # as int64 has it
        self._keys = keys

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states of shape (rows, tokens, width), with the tokens' masks applied in training."""
        if not self.training or self.p == 0:
            return hidden
        keys = self._keys.value
        if keys is None or hidden.shape[:-1] != keys.shape:
            return torch.nn.functional.dropout(hidden, self.p)
        masks = self._keys.table(self.p, hidden)
        rows = (keys * self._factor >> 40) & (_ROWS - 1)
        return hidden * masks.index_select(0, rows.reshape(-1)).view(hidden.shape)


class DropoutKeys:
    """The keyed dropout of a model whose layers have been replaced by `key_dropout`."""

    def __init__(self, keys: _Keys) -> None:
        self._keys = keys

    @contextmanager
    def of(self, keys: torch.Tensor) -> Iterator[None]:
        """Forward and backward in this block drop out by these keys, int64, shape (rows, tokens)."""
        self._keys.value = keys
        try:
            yield
        finally:
            self._keys.value = None


def key_dropout(model: Any, seed: int) -> DropoutKeys:
    """Replace the model's dropout layers by keyed ones, drop out no attention weights; returns what sets the keys.

    A layer that is called with something other than hidden states falls back to drawing.
    """
    for name in _ATTENTION_RATES:
        if hasattr(model.config, name):
            setattr(model.config, name, 0.0)
    keys = _Keys(seed=seed)
    number = 0
    for parent_name, parent in list(model.named_modules()):
        about_attention = "attention" in parent_name and not parent_name.endswith("output")
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, torch.nn.Dropout):
                continue
            if about_attention:
                layer.p = 0.0
            else:
                setattr(parent, name, KeyedDropout(layer.p, number, keys))
            number += 1
    return DropoutKeys(keys)
