"""Texts as vectors by a local encoder: one a sentence, one a word. What is alike has a large dot product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.records import Document
from nerkd_local.student.device import pick_device
from nerkd_local.student.encode import Window, collate, encode
from nerkd_local.student.kernels import fast_kernels
from nerkd_local.student.model import load_encoder, student_windows
from nerkd_local.student.predict import batches

Vectors = NDArray[np.float32]

_CHUNK = 512  # documents held at once: enough to sort by length, little enough to keep memory flat


class Embedding(NamedTuple):
    """A document's vectors, each of length 1, or all 0 where the encoder sees nothing of it.

    `sentence`: shape (width,), the mean of the last hidden states of all its sub-tokens, special ones included (as
    sentence encoders are trained). `words`: shape (tokens, width), the last hidden state of each word's first
    sub-token, where a student reads it as well.
    """

    sentence: Vectors
    words: Vectors


class Embedder:
    """An encoder made ready to embed.

    On the first CUDA device, where there is one and no other is named; in float32: neighbours are told apart by little.
    """

    def __init__(self, folder: Path, *, device: torch.device | None = None) -> None:
        """Raises InputError as `load_encoder` does; nothing is fetched."""
        self._model, self._tokenizer = load_encoder(folder)
        self._device = device or pick_device()
        self._model.to(self._device)
        self._windows = student_windows(self._model)
        self._budget = 1024 if self._device.type == "cpu" else 32768  # padded tokens a forward, as in `predict`

    def embed(self, documents: Iterable[Document]) -> Iterator[Embedding]:
        """One embedding a document, in order; the next 512 are read at a time, so memory does not grow.

        Texts longer than the encoder are read whole, in overlapping windows. A vector can differ in its last bits with
        the documents around it.
        """
        remaining = iter(documents)
        while chunk := list(islice(remaining, _CHUNK)):
            yield from self._embed(chunk)

    def _embed(self, chunk: list[Document]) -> list[Embedding]:
        width = int(self._model.config.hidden_size)
        sums = np.zeros((len(chunk), width), np.float32)
        words = [np.zeros((len(document.tokens), width), np.float32) for document in chunk]
        max_tokens, stride = self._windows.max_tokens, self._windows.stride
        sentences = [document.words for document in chunk]
        encoded = encode(self._tokenizer, sentences, max_tokens=max_tokens, stride=stride)
        windows = [(window, row) for row, cut in enumerate(encoded) for window in cut]
        windows.sort(key=lambda pair: len(pair[0]))
        start = 0
        for group in batches([window for window, _ in windows], self._budget):
            for (window, row), (total, at_words) in zip(
                windows[start : start + len(group)], self._hidden(group), strict=True
            ):
                sums[row] += total
                words[row][window.words] = at_words
            start += len(group)
        return [Embedding(*pair) for pair in zip(unit(sums), map(unit, words), strict=True)]

    @torch.inference_mode()
    def _hidden(self, group: list[Window]) -> Iterator[tuple[Vectors, Vectors]]:
        """Of each window the sum of its hidden states, and those of its words."""
        batch = collate(group, self._tokenizer.pad_token_id).to(self._device)
        with fast_kernels(self._device):
            states: Any = self._model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        hidden = np.asarray(states.last_hidden_state.float().cpu().numpy(), np.float32)
        for row, window in enumerate(group):
            yield hidden[row, : len(window)].sum(axis=0), hidden[row, window.positions]


def unit(vectors: Vectors) -> Vectors:
    """Each row divided by its length; rows of 0 stay so."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0), np.float32)
