"""A fake encoder: vectors from a table of words instead of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nerkd_local.records import Document
from nerkd_local.student.embed import Embedding, unit


class TableEmbedder:
    """Each word's vector is looked up; a word that is not there has none (0). A sentence's is the mean of its words'.

    `embedded` counts the documents.
    """

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self._vectors = vectors
        self._width = len(next(iter(vectors.values())))
        self.embedded = 0

    def embed(self, documents: Sequence[Document]) -> Iterator[Embedding]:
        for document in documents:
            self.embedded += 1
            rows = [self._vectors.get(word, [0.0] * self._width) for word in document.words]
            words = np.array(rows or np.zeros((0, self._width)), np.float32).reshape(-1, self._width)
            yield Embedding(unit(words.sum(axis=0)), unit(words))
