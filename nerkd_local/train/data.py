"""The plan's examples as windows with tags, and each rank's part of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError, nearest
from nerkd_local.records import Document, Source
from nerkd_local.regimen.plan import Plan, PlanStep
from nerkd_local.student.encode import Window, encode

SOURCES: tuple[Source, Source] = ("original", "distilled")
_CHUNK = 1024


class TaggedWindow(NamedTuple):
    """A window and the class of each of its words: int64, shape (k,)."""

    window: Window
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Example:
    """One document of one source, ready to train on; it may have no window (see `encode`)."""

    source: Source
    windows: tuple[TaggedWindow, ...]

    @property
    def labels(self) -> int:
        """How many of its words carry a label: those with sub-tokens."""
        return sum(len(window.classes) for window in self.windows)

    @property
    def tokens(self) -> int:
        """How many sub-tokens the encoder reads for it, special ones included and padding not."""
        return sum(len(window.window) for window in self.windows)


Examples = dict[tuple[Source, str], Example]


def load_examples(
    plan: Plan,
    paths: dict[Source, Path | None],
    tokenizer: Any,
    tags: Sequence[str],
    *,
    max_tokens: int,
    stride: int,
) -> Examples:
    """The examples that the plan names, by source and id; other documents are read and let go.

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
        path = paths[source]
        if not first_use:
            continue
        if path is None:
            raise InputError(f"the plan uses {source} examples; name their file under {source!r}")
        wanted = [document for document in read_documents(path) if document.id in first_use]
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            encoded = encode(tokenizer, [document.words for document in chunk], max_tokens=max_tokens, stride=stride)
            for document, windows in zip(chunk, encoded, strict=True):
                answer = _document_classes(document, classes, path)
                examples[source, document.id] = Example(
                    source, tuple(TaggedWindow(window, answer[window.words]) for window in windows)
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


def micro_batches(windows: Sequence[TaggedWindow], size: int | None) -> list[list[TaggedWindow]]:
    """The windows sorted by length (for little padding), in groups of `size`; None: all in one."""
    ordered = sorted(windows, key=lambda tagged: len(tagged.window))
    size = size or max(len(ordered), 1)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _ids(step: PlanStep, source: Source) -> tuple[str, ...]:
    return step.original if source == "original" else step.distilled


def _document_classes(document: Document, classes: dict[str, int], path: Path) -> NDArray[np.int64]:
    try:
        return np.array([classes[tag] for tag in spans_to_tags(document)], np.int64)
    except KeyError as error:
        label = error.args[0][2:]
        known = {tag[2:] for tag in classes if tag != "O"}
        raise InputError(
            f"example {document.id!r} has a span labelled {label!r}, which is not among the run's labels"
            f"{nearest(label, known)}",
            path=path,
        ) from None
