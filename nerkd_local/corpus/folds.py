"""Folds for cross-validation: whole documents, none in two folds, the same on every machine."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import hash_order
from nerkd_local.records import Document


def document_names(sentences: Iterable[Document]) -> dict[str, str]:
    """By sentence id, the document each belongs to, as its `meta` says; without a word there it is its own.

    Where all come from one document (a column file without -DOCSTART- lines is read as one), that tells nothing
    apart, and each is taken for its own too.
    """
    names = {sentence.id: str(sentence.meta.get("document", sentence.id)) for sentence in sentences}
    return names if len(set(names.values())) > 1 else {id: id for id in names}


def assign_folds(documents: Iterable[Document], count: int, seed: int) -> dict[str, int]:
    """The fold, 0 to count - 1, of each sentence by id.

    Sentences of one document share names, so they go into the same fold. Documents are dealt out in hash order,
    each to the fold with the fewest sentences so far. Raises InputError where a fold would stay empty.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for id, name in document_names(documents).items():
        members[name].append(id)
    if len(members) < count:
        raise InputError(
            f"{count} folds are asked for, but the labelled sentences come from {len(members)} documents, and those "
            "are not divided; ask for fewer folds"
        )
    folds: dict[str, int] = {}
    sizes = [(0, fold) for fold in range(count)]
    for name in hash_order(members, "folds", seed):
        size, fold = heapq.heappop(sizes)
        folds.update(dict.fromkeys(members[name], fold))
        heapq.heappush(sizes, (size + len(members[name]), fold))
    return folds
