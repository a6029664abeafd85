"""Words to windows of sub-tokens, and windows to padded tensors.

A text longer than the encoder is cut into overlapping windows, never truncated. Each word is labelled, or
predicted, at its first sub-token, in exactly one window: the one where that sub-token is farthest from a cut,
and so has the most context on its poorer side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A piece of a text, at most `max_tokens` long, and the words it answers for.

    `input_ids`: int32, shape (tokens,), with the special tokens at both ends. `positions`: int32, shape (k,),
    where in `input_ids` the first sub-token of each of its k words stands, ascending. `words`: int32, shape
    (k,), which words of the text these are. k is at least 1.
    """

    input_ids: NDArray[np.int32]
    positions: NDArray[np.int32]
    words: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.input_ids)


class Frame(NamedTuple):
    """The special tokens a tokenizer puts before and after a text."""

    before: tuple[int, ...]
    after: tuple[int, ...]


AttentionMask = torch.Tensor | dict[str, torch.Tensor]


class Batch(NamedTuple):
    """Windows as tensors. `input_ids`: int64, shape (rows, longest). `rows`, `columns`: int64, shape (words,), where
    the words' first sub-tokens stand, window by window. `attention_mask` and `position_ids`: see what made it."""

    input_ids: torch.Tensor
    attention_mask: AttentionMask
    rows: torch.Tensor
    columns: torch.Tensor
    places: NDArray[np.int64]
    """Where the windows' tokens stand, one window after the other, in the flattened `input_ids`. On the CPU."""
    position_ids: torch.Tensor | None = None

    def laid_out(self, values: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Values of the windows' tokens, as they stand in the batch; 0 on padding. Shape: that of `input_ids`."""
        laid = np.zeros(self.input_ids.numel(), np.int64)
        laid[self.places] = np.concatenate(values)
        return laid.reshape(tuple(self.input_ids.shape))

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=True)

        mask = self.attention_mask
        positions = self.position_ids if self.position_ids is None else moved(self.position_ids)
        return Batch(
            moved(self.input_ids),
            {kind: moved(each) for kind, each in mask.items()} if isinstance(mask, dict) else moved(mask),
            moved(self.rows),
            moved(self.columns),
            self.places,
            positions,
        )


def encode(tokenizer: Any, sentences: Sequence[Sequence[str]], *, max_tokens: int, stride: int) -> list[list[Window]]:
    """The windows of each sentence (a list of words), in order.

    `max_tokens` counts the special tokens; `stride` is how many sub-tokens neighbouring windows share at
    least. A word without sub-tokens (BERT tokenizers drop control and zero-width characters) is in no window;
    a sentence without any other word has no windows. Text that spells a special token ("[SEP]") is read as
    text. Raises InputError if the stride leaves no room to move on.
    """
    frame = special_frame(tokenizer)
    capacity = max_tokens - len(frame.before) - len(frame.after)
    if not 0 <= stride < capacity:
        raise InputError(
            f"stride {stride} does not fit max_tokens {max_tokens}: it must be at least 0 and less than "
            f"{capacity}, the room between the special tokens"
        )
    if not sentences:
        return []
    # The call sets truncation and padding for itself: what tokenizer.json declares (some sentence encoders
    # declare both, at 128) does not apply.
    encoded = tokenizer(
        [list(words) for words in sentences],
        is_split_into_words=True,
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return [
        cut(encoded["input_ids"][row], encoded.word_ids(row), frame, capacity=capacity, stride=stride)
        for row in range(len(sentences))
    ]


def cut(ids: Sequence[int], word_of: Sequence[int], frame: Frame, *, capacity: int, stride: int) -> list[Window]:
    """Cut one text's sub-tokens (`word_of`: the word each belongs to, ascending) into windows.

    The windows are as few as `capacity` and `stride` allow and evenly spaced, so overlaps are as equal as
    integers permit. With equal windows, "farthest from a cut" is "nearest centre": neighbours part at the
    middle of their overlap, a tie going to the earlier one. Windows left without a word are left out.
    """
    tokens = np.asarray(ids, dtype=np.int32)
    owners = np.asarray(word_of, dtype=np.int32)
    firsts = np.flatnonzero(np.diff(owners, prepend=-1)) if len(owners) else np.zeros(0, np.intp)
    starts = window_starts(len(tokens), capacity, stride)
    # Window i reaches up to starts[i] + capacity - 1; the middle of what it shares with window i + 1,
    # floored.
    borders = (starts[1:] + starts[:-1] + capacity - 1) // 2
    window_of_first = np.searchsorted(borders, firsts, side="left")
    windows = []
    for number, start in enumerate(starts):
        own = firsts[window_of_first == number] if len(starts) > 1 else firsts
        if len(own):
            piece = tokens[start : start + capacity]
            input_ids = np.concatenate([frame.before, piece, frame.after], dtype=np.int32, casting="unsafe")
            positions = (own - start + len(frame.before)).astype(np.int32)
            windows.append(Window(input_ids, positions, owners[own]))
    return windows


def window_starts(length: int, capacity: int, stride: int) -> NDArray[np.intp]:
    """Where the windows of `length` sub-tokens begin: 0, and evenly on to the last that fits."""
    if length <= capacity:
        return np.zeros(1, np.intp)
    moves = -(-(length - capacity) // (capacity - stride))
    return np.arange(moves + 1) * (length - capacity) // moves


def special_frame(tokenizer: Any) -> Frame:
    """The tokenizer's special tokens around a single text, found by encoding a letter with them."""
    encoded = tokenizer("a", return_special_tokens_mask=True, verbose=False)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    plain = [index for index, mark in enumerate(special) if not mark]
    return Frame(tuple(ids[: plain[0]]), tuple(ids[plain[-1] + 1 :]))


def collate(windows: Sequence[Window], pad: int) -> Batch:
    """Pad windows to the longest of them, a row each (`pad` is the padding token's id). At least one is needed.

    `attention_mask`: int64, shape (windows, longest), 0 on padding. There are no `position_ids`: the model's own do.
    """
    lengths = np.array([len(window) for window in windows])
    longest = int(lengths.max())
    mask = np.arange(longest) < lengths[:, None]
    ids = np.full(mask.shape, pad, np.int64)
    ids[mask] = np.concatenate([window.input_ids for window in windows])
    rows = np.repeat(np.arange(len(windows)), [len(window.positions) for window in windows])
    columns = np.concatenate([window.positions for window in windows]).astype(np.int64)
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(mask.astype(np.int64)),
        torch.from_numpy(rows.astype(np.int64)),
        torch.from_numpy(columns),
        np.flatnonzero(mask),
    )
