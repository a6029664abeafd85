"""Windows side by side in rows, so that hardly anything is computed on padding.

A batch of sentences padded to its longest is often half padding. Here several windows share a row; each token attends
to its own window alone, by a block-diagonal mask, and its position counts from its window's start, so every window
reads what it would read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.student.encode import Batch, Window, collate
from nerkd_local.student.model import first_position_of

_LIKE = 1e-3
"""Logits of packed windows may differ so much from padded ones'; a model that mixes windows is off by tenths."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model's windows become batches: packed where it can read that, else padded.

    `first_position`: of a window in a packed row; None for padded ones. `pad`: the padding token's id.
    """

    pad: int
    first_position: int | None

    @classmethod
    def of(cls, model: Any, pad: int) -> Layout:
        """The best layout for a model, found by trying once (see `can_pack`); the model remembers it."""
        known: Layout | None = getattr(model, "nerkd_layout", None)
        if known is None:
            first = first_position_of(model)
            known = model.nerkd_layout = cls(pad, first if can_pack(model, pad, first) else None)
        return known

    def batch(self, windows: Sequence[Window], *, row_tokens: int) -> Batch:
        """At least one window as a batch, in rows of about so many tokens if it is packed."""
        if self.first_position is None:
            return collate(windows, self.pad)
        return pack(windows, self.pad, row_tokens=row_tokens, first_position=self.first_position)


def pack(windows: Sequence[Window], pad: int, *, row_tokens: int, first_position: int = 0) -> Batch:
    """The windows in as few rows of at most `row_tokens` as best fit finds, the longest window at least.

    `attention_mask`: bool, shape (rows, 1, longest, longest), True where a token of the second axis may look.
    `position_ids`: int64, shape (rows, longest), from `first_position` on in each window. The words stay in the order
    of the windows. `pad` fills the ends of rows; at least one window is needed.
    """
    lengths = [len(window) for window in windows]
    row_of, start_of, used = _best_fit(lengths, max(row_tokens, *lengths))
    shape = len(used), max(used)
    ids = np.full(shape, pad, np.int64)
    positions = np.full(shape, first_position, np.int64)
    owners = np.full(shape, -1, np.int64)  # the rows' ends are a window of their own: a row of the mask is never empty
    for number, window in enumerate(windows):
        place = row_of[number], slice(start_of[number], start_of[number] + lengths[number])
        ids[place] = window.input_ids
        positions[place] = np.arange(first_position, first_position + lengths[number])
        owners[place] = number
    owner = torch.from_numpy(owners)
    starts = row_of * shape[1] + np.array(start_of)
    words = [len(window.positions) for window in windows]
    return Batch(
        torch.from_numpy(ids),
        (owner[:, :, None] == owner[:, None, :])[:, None],
        torch.from_numpy(np.repeat(row_of, words).astype(np.int64)),
        torch.from_numpy(
            np.concatenate([window.positions + start for window, start in zip(windows, start_of, strict=True)]).astype(
                np.int64
            )
        ),
        np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)]),
        torch.from_numpy(positions),
    )


def _best_fit(lengths: Sequence[int], room: int) -> tuple[NDArray[np.int64], list[int], list[int]]:
    """Longest first, each into the fullest row that still takes it: the row and start of each, the rows' lengths."""
    row_of = np.zeros(len(lengths), np.int64)
    start_of = [0] * len(lengths)
    used: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        fitting = [row for row, length in enumerate(used) if length + lengths[number] <= room]
        row = max(fitting, key=lambda row: used[row]) if fitting else len(used)
        if not fitting:
            used.append(0)
        row_of[number], start_of[number] = row, used[row]
        used[row] += lengths[number]
    return row_of, start_of, used


@torch.inference_mode()
def can_pack(model: Any, pad: int, first_position: int) -> bool:
    """Whether this architecture reads packed windows as it reads them one by one; found by trying, in float32.

    Not all do: some build their mask or their positions themselves. `model` may be in training mode, and is left so.
    """
    training = model.training
    model.eval()
    try:
        vocabulary = model.get_input_embeddings().num_embeddings
        device = next(model.parameters()).device
        windows = [_sample(length, vocabulary, pad) for length in (23, 5, 11)]
        try:
            packed = word_logits(model, pack(windows, pad, row_tokens=39, first_position=first_position).to(device))
        except (TypeError, ValueError, RuntimeError, IndexError):
            return False
        padded = word_logits(model, collate(windows, pad).to(device))
        scale = max(float(padded.abs().max()), 1.0)
        return bool((packed - padded).abs().max() <= _LIKE * scale)
    finally:
        model.train(training)


def word_logits(model: Any, batch: Batch) -> torch.Tensor:
    """The head's scores of the batch's words. Shape: (words, classes)."""
    more = {} if batch.position_ids is None else {"position_ids": batch.position_ids}
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **more).logits
    words: torch.Tensor = logits[batch.rows, batch.columns]
    return words


def _sample(length: int, vocabulary: int, pad: int) -> Window:
    ids = np.arange(length, dtype=np.int64) * 7919 % vocabulary
    ids[ids == pad] = (pad + 1) % vocabulary
    return Window(ids.astype(np.int32), np.arange(length, dtype=np.int32), np.arange(length, dtype=np.int32))
