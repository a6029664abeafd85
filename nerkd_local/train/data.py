"""The plan's examples as windows with tags, and each rank's part of a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.corpus.token_weights import token_weights
from nerkd_local.errors import InputError, nearest
from nerkd_local.records import TAG_VOTES, Document, Source
from nerkd_local.regimen.plan import Plan, PlanStep
from nerkd_local.student.dropout import token_keys
from nerkd_local.student.encode import Window
from nerkd_local.student.encoded import encode_cached
from nerkd_local.student.vocabulary import Vocabulary

SOURCES: tuple[Source, Source] = ("original", "distilled")
_CHUNK = 1024


class TaggedWindow(NamedTuple):
    """A window and what is to be learned of each of its k words: the `targets`, float32, shape (k, classes), each row a
    distribution over the classes (one-hot as a rule); the `weights`, float32, shape (k,)."""

    window: Window
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """One document of one source, ready to train on; it may have no window (see `encode`)."""

    source: Source
    windows: tuple[TaggedWindow, ...]

    @property
    def labels(self) -> int:
        """How many of its words carry a label: those with sub-tokens."""
        return sum(len(window.targets) for window in self.windows)

    @property
    def tokens(self) -> int:
        """How many sub-tokens the encoder reads for it, special ones included and padding not."""
        return sum(len(window.window) for window in self.windows)


class Words(NamedTuple):
    """The labelled words of some windows. `targets`: shape (words, classes). `weights`: shape (words,). `distilled`:
    bool, shape (words,), whose label it is."""

    targets: torch.Tensor
    weights: torch.Tensor
    distilled: torch.Tensor

    def to(self, device: torch.device) -> Words:
        """The same on a device."""
        return Words(*(tensor.to(device, non_blocking=True) for tensor in self))


class Piece(NamedTuple):
    """A window of a step: whose label, and the keys of its tokens (see `student.dropout`), int64, shape (tokens,)."""

    tagged: TaggedWindow
    source: Source
    keys: NDArray[np.int64]


Examples = dict[tuple[Source, str], Example]


def load_examples(
    plan: Plan,
    paths: dict[Source, Path | None],
    tokenizer: Any,
    tags: Sequence[str],
    *,
    max_tokens: int,
    stride: int,
    tokenizer_digest: str = "",
    cache: Path | None = None,
) -> Examples:
    """The examples that the plan names, by source and id; other documents are read and let go. For `cache` and
    `tokenizer_digest` see `encode_cached`; windows are kept by place in the file, so that plans of other seeds and
    regimens find them.

    Raises InputError for a source the plan uses and the settings do not name, an id that is not in its
    source's file, and a span whose label is none of the run's.
    """
    examples: Examples = {}
    classes = {tag: number for number, tag in enumerate(tags)}
    for source in SOURCES:
        first_use: dict[str, int] = {}
        for number, step in enumerate(plan.steps):
            for id in _ids(step, source):
                first_use.setdefault(id, number)
        for id in sorted(plan.candidates(source)):
            first_use.setdefault(id, 0)
        path = paths[source]
        if not first_use:
            continue
        if path is None:
            raise InputError(f"the plan uses {source} examples; name their file under {source!r}")
        documents = read_documents(path)
        while chunk := list(islice(documents, _CHUNK)):  # documents take more memory than their windows
            taken = [document for document in chunk if document.id in first_use]
            # the whole chunk where most of it is wanted, so that another plan finds it; a few of its texts are not kept
            keep = cache is not None and 2 * len(taken) >= len(chunk)
            taken = chunk if keep else taken
            encoded = encode_cached(
                tokenizer,
                tokenizer_digest,
                [document.words for document in taken],
                max_tokens=max_tokens,
                stride=stride,
                folder=cache if keep else None,
            )
            for document, windows in zip(taken, encoded, strict=True):
                if document.id not in first_use:
                    continue
                targets, weights = _learned(document, source, classes, path)
                examples[source, document.id] = Example(
                    source, tuple(TaggedWindow(each, targets[each.words], weights[each.words]) for each in windows)
                )
        missing = [id for id in first_use if (source, id) not in examples]
        if missing:
            raise InputError(
                f"does not hold {len(missing)} of the plan's {source} examples (first: {missing[0]!r}, step "
                f"{first_use[missing[0]]}); the plan was built from another file, build it again",
                path=path,
            )
    return examples


def step_examples(step: PlanStep, examples: Examples) -> list[Example]:
    """The examples of a step in the plan's order, originals first."""
    return [examples[source, id] for source in SOURCES for id in _ids(step, source)]


def step_pieces(examples: Sequence[Example], seed: int, rank: int = 0, world: int = 1) -> list[Piece]:
    """A rank's part of a step's examples (every `world`-th from `rank` on) as windows, with their tokens' keys.

    Keys come from the seed and the example's number in the whole step: how many ranks there are does not matter.
    """
    pieces = []
    for number in range(rank, len(examples), world):
        start = 0
        for tagged in examples[number].windows:
            places = np.arange(start, start + len(tagged.window), dtype=np.int64)
            keys = token_keys(seed, np.full(len(places), number, np.int64), places)
            pieces.append(Piece(tagged, examples[number].source, keys))
            start += len(places)
    return pieces


def micro_batches(pieces: Sequence[Piece], tokens: int) -> list[list[Piece]]:
    """The windows, longest first, in groups of at most so many tokens; a longer one is a group of its own."""
    groups: list[list[Piece]] = []
    room = 0
    for piece in sorted(pieces, key=lambda piece: -len(piece.tagged.window)):
        length = len(piece.tagged.window)
        if not groups or length > room:
            groups.append([])
            room = tokens
        groups[-1].append(piece)
        room -= length
    return groups


def words_of(pieces: Sequence[Piece]) -> Words:
    """The labelled words of the windows, in their order."""
    counts = [len(piece.tagged.targets) for piece in pieces]
    return Words(
        torch.from_numpy(np.concatenate([piece.tagged.targets for piece in pieces])),
        torch.from_numpy(np.concatenate([piece.tagged.weights for piece in pieces])),
        torch.from_numpy(np.repeat([piece.source == "distilled" for piece in pieces], counts)),
    )


def used_ids(examples: Examples) -> Iterator[NDArray[np.int32]]:
    """The token ids of every window."""
    return (tagged.window.input_ids for example in examples.values() for tagged in example.windows)


def renumbered(examples: Examples, vocabulary: Vocabulary) -> Examples:
    """The examples with token ids as rows of the cut table."""

    def cut(tagged: TaggedWindow) -> TaggedWindow:
        ids = vocabulary.numbers(tagged.window.input_ids)
        return tagged._replace(window=replace(tagged.window, input_ids=ids))

    return {key: replace(example, windows=tuple(map(cut, example.windows))) for key, example in examples.items()}


def _ids(step: PlanStep, source: Source) -> tuple[str, ...]:
    return step.original if source == "original" else step.distilled


def _learned(
    document: Document, source: Source, classes: dict[str, int], path: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The targets and weights of a document's words. Original ones are what the human wrote, at weight 1."""
    tags = spans_to_tags(document)
    try:
        targets = np.eye(len(classes), dtype=np.float32)[[classes[tag] for tag in tags]].reshape(-1, len(classes))
    except KeyError as error:
        raise _unknown(document, error.args[0], classes, path) from None
    if source == "original":
        return targets, np.ones(len(tags), np.float32)
    if TAG_VOTES in document.meta:
        targets = _voted(document, classes, path)
    return targets, token_weights(document, path)


def _voted(document: Document, classes: dict[str, int], path: Path) -> NDArray[np.float32]:
    votes = document.meta[TAG_VOTES]
    targets = np.zeros((len(document.tokens), len(classes)), np.float32)
    if not isinstance(votes, list) or len(votes) != len(targets):
        raise InputError(f"example {document.id!r}: {TAG_VOTES} needs one object for each of its tokens", path=path)
    for row, shares in zip(targets, votes, strict=True):
        for tag, share in shares.items() if isinstance(shares, dict) else ():
            if tag not in classes:
                raise _unknown(document, tag, classes, path)
            row[classes[tag]] = share if isinstance(share, int | float) else np.nan
    if not (targets >= 0).all() or not np.allclose(targets.sum(1), 1, atol=1e-3):
        raise InputError(f"example {document.id!r}: the shares of {TAG_VOTES} must sum to 1 for each token", path=path)
    return targets


def _unknown(document: Document, tag: str, classes: dict[str, int], path: Path) -> InputError:
    label = tag[2:]
    known = {tag[2:] for tag in classes if tag != "O"}
    return InputError(
        f"example {document.id!r} has a span labelled {label!r}, which is not among the run's labels"
        f"{nearest(label, known)}",
        path=path,
    )
