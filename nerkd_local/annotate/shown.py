"""Which worked examples each sentence of a corpus is shown: chosen once, kept in the folder, and an order to ask in."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.agenda import Numbers
from nerkd_local.annotate.retrieval import Chooser, Retrieval
from nerkd_local.annotate.sentences import Sentences
from nerkd_local.files import atomic_binary_writer, parse_json, write_json
from nerkd_local.records import Document
from nerkd_local.stopping import is_stopping

TABLE, FACTS = "demonstrations.npy", "demonstrations.json"

_VERSION = 1
_UNKNOWN = -2
_PIECE = 1024
_NOTE_SECONDS = 15.0


class ShownExamples:
    """The examples of each sentence, by its number. Four bytes an example on the disk; memory does not grow."""

    def __init__(self, retrieval: Retrieval, sentences: Sentences, folder: Path) -> None:
        """What `folder` keeps is used as far as it was made by this retrieval for sentences of these texts.

        Nothing is read, encoded or written until the first question.
        """
        self._retrieval = retrieval
        self._sentences = sentences
        self._folder = folder
        self._chooser: Chooser | None = None

    @cached_property
    def _kept(self) -> tuple[list[Document], NDArray[np.int32]]:
        """The pool, the most popular first, and the table of examples on the disk, as it was left or a new one."""
        retrieval, path, facts_path = self._retrieval, self._folder / TABLE, self._folder / FACTS
        texts = hashlib.sha256(np.ascontiguousarray(self._sentences.keys).tobytes()).hexdigest()
        facts = {"version": _VERSION, "demonstrations": retrieval.identity, "texts_sha256": texts}
        before = _read_facts(facts_path)
        order = before.pop("popularity", None)
        if before != facts or order is None or not path.exists():
            order = self._open().order
            facts_path.unlink(missing_ok=True)  # until the table is that of the new facts
            with atomic_binary_writer(path) as stream:
                np.save(stream, np.full((len(self._sentences), retrieval.shots), _UNKNOWN, np.int32))
            write_json(facts_path, {**facts, "popularity": order})
        return [retrieval.pool[number] for number in order], np.load(path, mmap_mode="r+")

    def arrange(self, numbers: Numbers, note: Callable[[str], None]) -> Numbers:
        """The sentences in the order to ask them: those that are shown the same examples, or begin with them, together.

        Chooses the examples that are not known yet; ends early, with what it has, when it is to stop.
        """
        _, table = self._kept
        missing = numbers[(table[numbers] == _UNKNOWN).any(axis=1)]
        began = noted = time.monotonic()
        for start in range(0, len(missing), _PIECE):
            if is_stopping():
                break
            piece = missing[start : start + _PIECE]
            table[piece] = self._open().choose([self._sentences[int(number)] for number in piece])
            cast(np.memmap, table).flush()
            now = time.monotonic()
            if now - noted >= _NOTE_SECONDS:
                noted, done = now, start + len(piece)
                rate = done / (now - began)
                note(f"examples for {done:,} of {len(missing):,} sentences chosen, {rate:,.0f}/s")
        self._chooser = None  # the encoder's memory is the engine's now
        order: Numbers = np.lexsort(np.asarray(table[numbers]).T[::-1])
        return np.asarray(numbers[order], np.int64)

    def of(self, number: int, document: Document) -> list[Document]:
        """The examples of one sentence, in their order in the prompt."""
        pool, table = self._kept
        row = table[number]
        if (row == _UNKNOWN).any():  # a text that turned out to be no copy is asked without having been arranged
            row = table[number] = self._open().choose([document])[0]
        return [pool[place] for place in row.tolist() if place >= 0]

    def _open(self) -> Chooser:
        if self._chooser is None:
            self._chooser = self._retrieval.open()
        return self._chooser


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
