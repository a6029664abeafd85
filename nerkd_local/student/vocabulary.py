"""Training only the rows of the embedding table that the examples touch.

In a small student the table is half of all weights, and a corpus touches a tenth of it. A row that is never looked up
has no gradient, and (embeddings do not decay here) an optimizer would leave it as it is, at the price of reading and
writing it at every step. So for training the table is cut to the rows in use, and put back at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Vocabulary:
    """The rows in use. `rows`: int64, ascending, shape (used,), the token id of each row of the cut table."""

    rows: NDArray[np.int64]

    @classmethod
    def of(cls, ids: Iterable[NDArray[np.integer[Any]]], *always: int) -> Vocabulary:
        """The token ids that occur in the arrays, and those that are always kept (padding, for one)."""
        kept = [np.asarray(always, np.int64), *(np.unique(array).astype(np.int64) for array in ids)]
        return cls(np.unique(np.concatenate(kept)))

    def numbers(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Token ids as rows of the cut table. Raises KeyError for an id without a row."""
        found = np.searchsorted(self.rows, ids)
        if len(ids) and (found.max() >= len(self.rows) or (self.rows[found] != ids).any()):
            raise KeyError("a token id has no row in the cut table")
        return found.astype(np.int32)

    def cut(self, model: Any) -> torch.Tensor:
        """Put the cut table into the model; returns the whole one, shape (vocabulary, width).

        The row of padding, which no gradient reaches, stays that; where it has no row here, no row is.
        """
        layer = model.get_input_embeddings()
        whole: torch.Tensor = layer.weight.detach()
        layer.weight = torch.nn.Parameter(whole[torch.from_numpy(self.rows)].clone())
        layer.num_embeddings = len(self.rows)
        kept = layer.padding_idx is not None and layer.padding_idx in self.rows
        layer.padding_idx = int(np.searchsorted(self.rows, layer.padding_idx)) if kept else None
        return whole

    def put_back(self, model: Any, table: torch.Tensor) -> None:
        """Put the whole table into the model, the trained rows in their places; `table` is what `cut` returned."""
        layer = model.get_input_embeddings()
        whole = table.to(layer.weight.device).clone()
        whole[torch.from_numpy(self.rows)] = layer.weight.detach()
        if layer.padding_idx is not None:
            layer.padding_idx = int(self.rows[layer.padding_idx])
        layer.weight = torch.nn.Parameter(whole)
        layer.num_embeddings = len(whole)

    def carried_over(self, tensor: torch.Tensor, other: Vocabulary, otherwise: torch.Tensor) -> torch.Tensor:
        """A tensor of another vocabulary's rows as one of this one's; rows that only this one has are `otherwise`'s."""
        mine = np.flatnonzero(np.isin(self.rows, other.rows))
        filled = otherwise.clone()
        filled[torch.from_numpy(mine)] = tensor[torch.from_numpy(np.searchsorted(other.rows, self.rows[mine]))]
        return filled
