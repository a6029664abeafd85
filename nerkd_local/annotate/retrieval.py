"""Worked examples that fit the sentence: its nearest neighbours among human-labelled ones, by a local encoder.

sentence_knn  the sentences of the pool whose vectors are nearest to the sentence's.
entity_knn    each word of the sentence proposes the pool sentence with the mention nearest to it (a mention's vector is
              the mean of its words'), and the best proposals are taken. A pool sentence is taken once, so words that
              are near the same one share it, and other words bring other examples; when all words have been served
              and there is room, they propose again from what is left. With four examples or more, one is the nearest
              sentence without a mention: a model that is shown mentions alone finds some everywhere.

Left out for a sentence: every example with its id or its text (by the rule of `corpus.checks`), so that the pool itself
can be annotated, and every one that stands in it as a whole, for several sentences may be asked about together. Of pool
sentences with the same text, the first stands for all.

Examples stand in the prompt by the pool's own order of popularity (how often each is among the nearest of the pool's
other sentences), the most popular first. So prompts begin alike where the same few sentences are near to many, which
some always are, and an engine's prefix cache holds what they share once the questions are asked in the order of their
examples: the idea of a frequent-pattern tree (Han, Pei and Yin, SIGMOD 2000). What a sentence is shown depends on
nothing but itself, the pool, the encoder and the settings: shards, resumed runs and corpora that grow have the same
prompts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nerkd_local.annotate.prompts import choose_demonstrations
from nerkd_local.annotate.settings import AnnotatorSettings, DemonstrationKind
from nerkd_local.corpus.checks import same_text
from nerkd_local.errors import InputError
from nerkd_local.files import local_model
from nerkd_local.fingerprints import digest_folder, digest_json
from nerkd_local.records import Document

if TYPE_CHECKING:
    from nerkd_local.student.embed import Embedding

Vectors = NDArray[np.float32]
Chosen = NDArray[np.int32]

NOBODY = -1
"""In a row of chosen examples: no more of them (the pool is too small)."""

_PLAIN = 4
"""From so many examples on, one has no mention."""
_DECIMALS = 4
"""Similarities are compared to so many: the last bits depend on which sentences an encoder reads together."""


class Embedder(Protocol):
    """What makes vectors of documents (see `student.embed`)."""

    def embed(self, documents: Sequence[Document], /) -> Iterator[Embedding]: ...


def retrieves(settings: AnnotatorSettings) -> bool:
    """Whether sentences are shown examples of their own."""
    return settings.demonstrations.kind in ("sentence_knn", "entity_knn") and settings.shots > 0


def check_retrieval(settings: AnnotatorSettings, pool: Sequence[Document]) -> None:
    """Raise InputError where sentences are to have examples of their own, and pool or encoder are not there."""
    retrieval = Retrieval.of(settings, pool)
    if retrieval is not None:
        local_model(retrieval.encoder)


def fixed_demonstrations(settings: AnnotatorSettings, pool: Sequence[Document], seed: int) -> list[Document]:
    """The worked examples that every sentence is shown; none where each has its own, or nobody has any."""
    if settings.demonstrations.kind != "static":
        return []
    return choose_demonstrations(pool, list(settings.labels), settings.shots, seed)


@dataclass(frozen=True)
class Retrieval:
    """Which sentences of a pool are shown as examples for which sentence. Encodes nothing until it is asked."""

    kind: DemonstrationKind
    shots: int
    encoder: Path
    pool: tuple[Document, ...]
    """In the order they were given."""
    start: Callable[[Path], Embedder] | None = None
    """What makes an embedder of the encoder's folder, where it is not `student.embed.Embedder`."""

    @classmethod
    def of(cls, settings: AnnotatorSettings, pool: Sequence[Document]) -> Retrieval | None:
        """As the settings say; None where they do not retrieve. Raises InputError without a pool."""
        if not retrieves(settings):
            return None
        encoder = settings.demonstrations.encoder
        assert encoder is not None
        if not pool:
            problem = f"{settings.demonstrations.kind} needs human-labelled sentences to choose worked examples from"
            raise InputError(f"{problem}; give some (--examples), or set demonstrations.kind: none")
        return cls(settings.demonstrations.kind, settings.shots, encoder, tuple(pool))

    @cached_property
    def identity(self) -> dict[str, object]:
        """Plain JSON: everything that the choice depends on. An encoder that is not here is None."""
        here = (self.encoder / "config.json").is_file()
        examples = [[d.id, d.text, [[s.start, s.end, s.label] for s in d.spans]] for d in self.pool]
        return {
            "kind": self.kind,
            "shots": self.shots,
            "encoder_sha256": digest_folder(self.encoder) if here else None,
            "pool_sha256": digest_json(examples),
        }

    def open(self) -> Chooser:
        """Embed the pool. Raises InputError if the encoder is no local model."""
        return Chooser(self.kind, self.shots, (self.start or _start)(self.encoder), self.pool)


def same_retrieval(identity: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two identities can be of one retrieval: an encoder that is not at hand (None) is no difference."""
    sides = [dict(identity), dict(other)]
    encoders = [side.pop("encoder_sha256", None) for side in sides]
    return sides[0] == sides[1] and (None in encoders or encoders[0] == encoders[1])


def _start(encoder: Path) -> Embedder:
    """On the CPU: a GPU's memory is the annotator's, and an encoder reads some hundred sentences a second and core."""
    import torch  # here: a run without retrieval needs none

    from nerkd_local.student.embed import Embedder

    return Embedder(local_model(encoder), device=torch.device("cpu"))


class Chooser:
    """A pool with its vectors. `pool` is in the order of popularity; choices are numbers in it.

    `order` holds the numbers that its sentences have in the pool as it was given.
    """

    def __init__(self, kind: DemonstrationKind, shots: int, embedder: Embedder, pool: Sequence[Document]) -> None:
        self._kind = kind
        self._shots = shots
        self._embedder = embedder
        first = {same_text(document): number for number, document in reversed(list(enumerate(pool)))}
        distinct = sorted(first.values())
        given = [pool[number] for number in distinct]
        embeddings = list(embedder.embed(given))
        self._fill(given, embeddings)
        popular = self._popularity(given, embeddings)
        order = np.argsort(-popular, kind="stable").tolist()
        self.order = [distinct[number] for number in order]
        self._fill([given[number] for number in order], [embeddings[number] for number in order])

    def _fill(self, pool: list[Document], embeddings: list[Embedding]) -> None:
        self.pool = pool
        self._ids: dict[str, int] = {document.id: number for number, document in enumerate(pool)}
        self._texts: dict[str, int] = {same_text(document): number for number, document in enumerate(pool)}
        self._by_word: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)
        for number, document in enumerate(pool):
            if words := document.text.split():
                self._by_word[words[0]].append((number, words))
        self._sentences: Vectors = np.stack([embedding.sentence for embedding in embeddings])
        vectors, owners = [], []
        for number, (document, embedding) in enumerate(zip(pool, embeddings, strict=True)):
            for mention in _mention_words(document):
                mean = embedding.words[mention].mean(axis=0)
                vectors.append(mean / max(float(np.linalg.norm(mean)), 1e-9))
                owners.append(number)
        width = self._sentences.shape[1]
        self._mentions: Vectors = np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, width), np.float32)
        self._owners: NDArray[np.int64] = np.array(owners, np.int64)
        self._has_mention: NDArray[np.bool_] = np.zeros(len(pool), bool)
        self._has_mention[self._owners] = True

    def _popularity(self, pool: list[Document], embeddings: list[Embedding]) -> NDArray[np.int64]:
        chosen = [self._choose(document, embedding) for document, embedding in zip(pool, embeddings, strict=True)]
        return np.bincount([number for row in chosen for number in row], minlength=len(pool))

    def choose(self, documents: Sequence[Document]) -> Chosen:
        """The examples of each document, most popular first. Shape: (documents, shots), filled up with `NOBODY`."""
        rows = np.full((len(documents), self._shots), NOBODY, np.int32)
        for row, document, embedding in zip(rows, documents, self._embedder.embed(documents), strict=True):
            found = sorted(self._choose(document, embedding))
            row[: len(found)] = found
        return rows

    def _choose(self, document: Document, embedding: Embedding) -> list[int]:
        open_ = np.ones(len(self.pool), bool)
        open_[self._own(document)] = False
        near = np.round(self._sentences @ embedding.sentence, _DECIMALS)
        if self._kind == "sentence_knn":
            return _nearest(near, open_, self._shots)
        plain = _nearest(near, open_ & ~self._has_mention, 1) if self._shots >= _PLAIN else []
        room = self._shots - len(plain)
        with_mention = open_ & self._has_mention
        found = self._propose(embedding.words, with_mention, room)
        return found + plain

    def _propose(self, words: Vectors, open_: NDArray[np.bool_], room: int) -> list[int]:
        """The pool sentences that the words propose, round after round; `open_` says which may be proposed."""
        found: list[int] = []
        if not len(words):
            return found
        near = np.round(words @ self._mentions.T, _DECIMALS)  # of one sentence only: a pool may have many mentions
        while len(found) < room and open_.any():
            near[:, ~open_[self._owners]] = -np.inf
            best = near.argmax(axis=1)
            for word in np.argsort(-near[np.arange(len(words)), best], kind="stable").tolist():
                proposed = int(self._owners[best[word]])
                if open_[proposed] and len(found) < room:
                    found.append(proposed)
                    open_[proposed] = False
        return found

    def _own(self, document: Document) -> list[int]:
        """The pool sentences that are this one, or stand in it as a whole."""
        words = document.text.split()
        found = [self._ids[document.id]] if document.id in self._ids else []
        if (same := self._texts.get(same_text(document))) is not None:
            found.append(same)
        for place, word in enumerate(words):
            for number, theirs in self._by_word.get(word, ()):
                if words[place : place + len(theirs)] == theirs:
                    found.append(number)
        return found


def _nearest(near: Vectors, open_: NDArray[np.bool_], count: int) -> list[int]:
    ranked = np.argsort(np.where(open_, -near, np.inf), kind="stable")[:count]
    return [int(number) for number in ranked if open_[number]]


def _mention_words(document: Document) -> Iterator[list[int]]:
    for span in document.spans:
        yield [n for n, (start, end) in enumerate(document.tokens) if span.start <= start and end <= span.end]
