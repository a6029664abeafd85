"""Checks on corpora before anything is trained or scored: repeated sentences, and labels nobody declared."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError, nearest
from nerkd_local.fingerprints import digest
from nerkd_local.quoting import quoted
from nerkd_local.records import Document


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Sentences that stand on both sides: their ids in reading order, and how many each side has in all."""

    training_ids: tuple[str, ...]
    evaluation_ids: tuple[str, ...]
    training_size: int
    evaluation_size: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.evaluation_ids)

    def __str__(self) -> str:
        return (
            f"{len(self.evaluation_ids):,} of {self.evaluation_size:,} evaluation sentences stand among the "
            f"{self.training_size:,} of training ({len(self.training_ids):,} times)"
        )


def find_duplicates(training: Iterable[Document], evaluation: Iterable[Document]) -> Duplicates:
    """The evaluation sentences that also stand in the training data, and where.

    Texts are the same if they are equal without white space and in Unicode's composed form (NFC), so a CoNLL
    sentence (words joined by spaces) is found in running text. Case and labels are not looked at.
    Both sides are read once, as streams; memory grows with the evaluation side. Nothing is removed: the
    caller excludes the ids or allows them.
    """
    by_text: dict[str, list[int]] = {}
    evaluation_ids: list[str] = []
    for document in evaluation:
        by_text.setdefault(same_text(document), []).append(len(evaluation_ids))
        evaluation_ids.append(document.id)
    training_ids: list[str] = []
    training_size = 0
    found: set[int] = set()
    for document in training:
        training_size += 1
        numbers = by_text.get(same_text(document))
        if numbers:
            training_ids.append(document.id)
            found.update(numbers)
    return Duplicates(
        tuple(training_ids),
        tuple(evaluation_ids[number] for number in sorted(found)),
        training_size,
        len(evaluation_ids),
    )


def find_repeated(documents: Iterable[Document]) -> dict[str, str]:
    """The ids of sentences whose text stood before in the same corpus, by the rule of `find_duplicates`, each with the
    id of the first that has it."""
    first: dict[str, str] = {}
    repeated = {}
    for document in documents:
        there = first.setdefault(same_text(document), document.id)
        if there != document.id:
            repeated[document.id] = there
    return repeated


def check_labels(documents: Iterable[Document], allowed: Collection[str], path: Path | str) -> dict[str, int]:
    """How many mentions each label has, allowed labels without any included, if all labels are allowed.

    Reads the documents to their end. Raises InputError at the first other label, with the nearest allowed
    name, the sentence and, for column files, the line of the mention's first word (in JSON lines `meta` may
    hold the line of another file, that of the sentence's origin).
    """
    counts = Counter({label: 0 for label in sorted(allowed)})
    for document in documents:
        for span in document.spans:
            if span.label not in counts:
                mention = document.text[span.start : span.end]
                raise InputError(
                    f"label {span.label!r} of {quoted(mention)} in sentence {document.id!r} is not a declared "
                    f"label{nearest(span.label, allowed)}; correct it or declare it",
                    path=path,
                    line=_line_of(document, span.label, path),
                )
            counts[span.label] += 1
    return dict(counts)


def same_text(document: Document) -> str:
    """A digest that documents share whose texts are the same by the rule of `find_duplicates`."""
    return digest(unicodedata.normalize("NFC", "".join(document.text.split())))


def _line_of(document: Document, label: str, path: Path | str) -> int | None:
    line = document.meta.get("line")
    if not isinstance(line, int) or Path(path).suffix == ".jsonl":
        return None
    return line + spans_to_tags(document).index(f"B-{label}")
