"""The sentences to annotate, by their number in the corpus, with a key for each one's text.

An index of sixteen bytes a sentence stands in for the corpus wherever only numbers and equality of texts matter:
what is missing, what is a repetition, whether a stored answer still belongs to its text. So a resumed run of millions
reads none of the text it has answers to.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nerkd_local.corpus.jsonl import document_from_json, read_documents
from nerkd_local.files import atomic_binary_writer, read_json, write_json
from nerkd_local.fingerprints import digest_file, text_key
from nerkd_local.records import Document

_VERSION = 1


class Sentences(Protocol):
    """Documents that can be had by number, again and again. Iterating gives all, in order."""

    @property
    def keys(self) -> NDArray[np.int64]:
        """The key of each document's text (`text_key`): one int64 a document, in order."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Document: ...

    def __iter__(self) -> Iterator[Document]: ...


class HashedSentences(Sentences, Protocol):
    """Sentences of a file whose SHA-256 is known."""

    sha256: str


class SentenceList:
    """Sentences in memory."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents: Sequence[Document] = list(documents)
        self.keys: NDArray[np.int64] = np.array([text_key(d.text) for d in self._documents], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, number: int, /) -> Document:
        return self._documents[number]

    def __iter__(self) -> Iterator[Document]:
        return iter(self._documents)


class SentenceFile:
    """A file of documents (JSON lines) with an index, which is kept in a folder and made again when the file changes.

    A context manager; the index is a memory map, so memory does not grow with the corpus.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        """Reads the whole file once, where there is no index to it yet. Raises InputError as `read_documents` does."""
        self.path = path
        self.sha256 = digest_file(path)
        table, facts = folder / "index.npy", folder / "index.json"
        wanted = {"version": _VERSION, "corpus_sha256": self.sha256}
        if not (facts.exists() and table.exists() and read_json(facts) == wanted):
            # on the disk before the facts say so: else a power cut may leave the facts about an empty table
            with atomic_binary_writer(table) as stream:
                np.save(stream, _read_index(path))
            write_json(facts, wanted)
        index = np.load(table, mmap_mode="r")
        self._offsets = index[:, 0]
        self.keys: NDArray[np.int64] = index[:-1, 1]
        self._file = os.open(path, os.O_RDONLY)

    def __enter__(self) -> SentenceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, number: int, /) -> Document:
        start, end = int(self._offsets[number]), int(self._offsets[number + 1])
        # checked when the index was made, of a file with this very hash
        return document_from_json(json.loads(os.pread(self._file, end - start, start)))

    def __iter__(self) -> Iterator[Document]:
        with self.path.open("rb") as stream:
            for line in stream:
                if line.strip():
                    yield document_from_json(json.loads(line))


def _read_index(path: Path) -> NDArray[np.int64]:
    """Rows of (byte offset, text key), one a document, and a last one with the file's end."""
    keys = array("q", (text_key(document.text) for document in read_documents(path)))
    offsets = array("q")
    position = 0
    with path.open("rb") as stream:
        for line in stream:
            if line.strip():
                offsets.append(position)
            position += len(line)
    index = np.empty((len(keys) + 1, 2), dtype=np.int64)
    index[:-1, 0], index[:-1, 1] = offsets, keys
    index[-1] = position, 0
    return index
