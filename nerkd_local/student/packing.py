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

from nerkd_local.errors import InputError
from nerkd_local.student.encode import AttentionMask, Batch, Window, collate
from nerkd_local.student.model import first_position_of

_LOCAL = "sliding_attention"
"""What transformers calls layers that look only so far, in a config's `layer_types` and in the masks by layer type."""

_LIKE = 1e-3
"""Logits of packed windows may differ so much from padded ones'; a model that mixes windows is off by tenths."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model's windows become batches: packed where it can read that, else padded.

    `first_position`: of a window in a packed row; None for padded ones. `pad`: the padding token's id. `reach`: how
    many tokens to either side some of the model's layers look (ModernBERT's do); None if all look at all.
    """

    pad: int
    first_position: int | None
    reach: int | None = None

    @classmethod
    def of(cls, model: Any, pad: int, longest: int) -> Layout:
        """The best layout for a model and windows of at most so many tokens; found by trying (see `can_pack`).

        The model remembers what was found for windows as long or longer.
        """
        known, tried = getattr(model, "nerkd_layout", (None, 0))
        if known is None or tried < longest or known.pad != pad:
            reach = (
                model.config.sliding_window if _LOCAL in (getattr(model.config, "layer_types", None) or ()) else None
            )
            packed = cls(pad, first_position_of(model), reach)
            known = packed if can_pack(model, packed, longest) else cls(pad, None)
            model.nerkd_layout = known, longest
        return known

    def batch(self, windows: Sequence[Window], *, row_tokens: int) -> Batch:
        """At least one window as a batch, in rows of about so many tokens if it is packed."""
        if self.first_position is None:
            return collate(windows, self.pad)
        first = self.first_position
        return pack(windows, self.pad, row_tokens=row_tokens, first_position=first, reach=self.reach)


def pack(
    windows: Sequence[Window], pad: int, *, row_tokens: int, first_position: int = 0, reach: int | None = None
) -> Batch:
    """The windows shared out evenly among rows of about `row_tokens`, or of the longest window if that is more.

    `attention_mask`: bool, shape (rows, 1, longest, longest), True where a token of the third axis looks at one of the
    fourth; with a `reach`, one for each kind of layer, by transformers' names for them. `position_ids`: int64, shape
    (rows, longest), from `first_position` on in each window. The words stay in the order of the windows. `pad` fills
    the ends of rows, whose width is a round number (see `_rounded`); at least one window is needed.
    """
    lengths = [len(window) for window in windows]
    row_of, start_of, used = _rows(lengths, max(row_tokens, *lengths))
    shape = len(used), _rounded(max(used))
    ids = np.full(shape, pad, np.int64)
    positions = np.full(shape, first_position, np.int64)
    owners = np.full(shape, -1, np.int64)  # the rows' ends are a window of their own: a row of the mask is never empty
    for number, window in enumerate(windows):
        place = row_of[number], slice(start_of[number], start_of[number] + lengths[number])
        ids[place] = window.input_ids
        positions[place] = np.arange(first_position, first_position + lengths[number])
        owners[place] = number
    owner = torch.from_numpy(owners)
    seen = (owner[:, :, None] == owner[:, None, :])[:, None]
    mask: AttentionMask = seen
    if reach is not None:
        places = torch.arange(shape[1])
        mask = {"full_attention": seen, _LOCAL: seen & ((places[:, None] - places[None, :]).abs() <= reach)}
    starts = row_of * shape[1] + np.array(start_of)
    words = [len(window.positions) for window in windows]
    return Batch(
        torch.from_numpy(ids),
        mask,
        torch.from_numpy(np.repeat(row_of, words).astype(np.int64)),
        torch.from_numpy(
            np.concatenate([window.positions + start for window, start in zip(windows, start_of, strict=True)]).astype(
                np.int64
            )
        ),
        np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)]),
        torch.from_numpy(positions),
    )


def _rows(lengths: Sequence[int], room: int) -> tuple[NDArray[np.int64], list[int], list[int]]:
    """The row and start of each length, and the rows' lengths: about `room` long and all about as long.

    Rows filled one after the other would leave the last one short, and all are as wide as the longest: of a step of 16
    CoNLL sentences a quarter was padding. Evenly shared out among the number of rows that wastes least, it is 1 %.
    """
    fewest = -(-sum(lengths) // room)
    shared = [_shared_out(lengths, rows) for rows in (fewest + 1, fewest)]
    return min(shared, key=lambda found: len(found[2]) * max(found[2]))


def _rounded(width: int) -> int:
    """The next width in which rows come: a multiple of 8 from 128 on, of 4 from 64, of 2 from 32, below any.

    On a CPU, oneDNN compiles its kernels anew for every shape and keeps the last 1,024. With as many shapes as steps,
    the memory of a training of 80 steps of 8 sentences grew by 10 MiB a step, to 1,580 MiB, and a twelfth of its time
    went to compiling (two-core AMD EPYC); with round widths it peaks at 1,115. The price is 2 % of padding.
    """
    step = min(8, 1 << max(width.bit_length() - 5, 0))
    return -(-width // step) * step


def _shared_out(lengths: Sequence[int], rows: int) -> tuple[NDArray[np.int64], list[int], list[int]]:
    """Longest first, each into the emptiest row."""
    row_of = np.zeros(len(lengths), np.int64)
    start_of = [0] * len(lengths)
    used = [0] * min(rows, len(lengths))
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        row = used.index(min(used))
        row_of[number], start_of[number] = row, used[row]
        used[row] += lengths[number]
    return row_of, start_of, used


@torch.no_grad()
def can_pack(model: Any, layout: Layout, longest: int) -> bool:
    """Whether this architecture reads windows of at most so many tokens packed as it reads them one by one.

    Found by trying, in float32. Not all do: some build their mask or their positions themselves, and some that look
    only so far to either side do so by a mask that ours would replace. `model` may be in training mode, and is left so.
    Raises InputError for an architecture that wants more than token ids.
    """
    training = model.training
    model.eval()
    try:
        vocabulary = model.get_input_embeddings().num_embeddings
        device = next(model.parameters()).device
        lengths = {longest, max(longest // 2, 1), max(longest // 5, 1)}
        windows = [_sample(length, vocabulary, layout.pad) for length in sorted(lengths)]
        try:
            padded = word_logits(model, collate(windows, layout.pad).to(device))
        except (TypeError, ValueError) as error:
            raise InputError(f"{type(model).__name__} does not read plain text: {error}") from error
        try:
            packed = word_logits(model, layout.batch(windows, row_tokens=sum(lengths)).to(device))
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError, AssertionError):
            return False
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
