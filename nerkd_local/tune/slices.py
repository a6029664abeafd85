"""The human-labelled sentences of a search: some to show, the others to score on, in an order whose beginnings nest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from nerkd_local.corpus.checks import check_labels, find_duplicates
from nerkd_local.corpus.folds import document_names
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import hash_order
from nerkd_local.records import Document
from nerkd_local.tune.settings import TuneSettings

_MANY = 10
"""From so many documents on, the pool is made of whole ones."""


@dataclass(frozen=True, slots=True)
class Slice:
    """`pool` may be shown, and is never scored; `scored` is in the order that candidates are asked in.

    `repeated` counts the sentences that are neither: their text stands in the pool as well. `documents` has each scored
    sentence's document.
    """

    pool: tuple[Document, ...]
    scored: tuple[Document, ...]
    documents: tuple[str, ...]
    repeated: int

    def unlabelled(self, count: int) -> Iterator[Document]:
        """The first sentences to score, without their labels."""
        return (replace(document, spans=()) for document in self.scored[:count])


def take_slice(tune: TuneSettings) -> Slice:
    """Read the corpus and divide it, by hash order of the seed.

    The pool has whole documents where there are ten or more (an article's other sentences, shown as examples, would
    flatter whoever is scored on it), or where windows are asked about; else sentences. What is scored is in hash order
    too: of sentences, or of documents where windows are asked about. Raises InputError for labels that the annotators
    do not know, for windows where no two documents are told apart, and where nothing is left to score on, or nothing
    with a mention.
    """
    path = tune.corpus.path
    documents = list(islice(read_corpus(tune.corpus), tune.sentences))
    if tune.sentences is not None and len(documents) < tune.sentences:
        raise InputError(f"has {len(documents):,} sentences, and {tune.sentences:,} are asked for", path=path)
    check_labels(documents, next(iter(tune.annotators.values())).labels, path)
    names = document_names(documents)
    in_windows = max(tune.windows) > 1
    if in_windows and len({document.meta.get("document") for document in documents}) == 1:
        problem = "tells no two documents apart, and windows are tried on whole documents, in an order by hash"
        raise InputError(f"{problem}; mark where its documents begin, or set windows: [1]", path=path)
    by_document = in_windows or len(set(names.values())) >= _MANY
    group = names if by_document else {document.id: document.id for document in documents}
    shown = _draw_pool(list(group.values()), tune.pool * len(documents), tune.seed)
    pool = [document for document in documents if group[document.id] in shown]
    rest = [document for document in documents if group[document.id] not in shown]
    repeated = frozenset(find_duplicates(rest, pool).training_ids)
    left = [document for document in rest if document.id not in repeated]
    if not left:
        raise InputError("leaves no sentence to score on; take more sentences, or a smaller pool", path=path)
    if not any(document.spans for document in left):
        raise InputError("has no labelled mention among the sentences to score on; give labelled ones", path=path)
    unit = names if in_windows else {document.id: document.id for document in left}
    place = {name: n for n, name in enumerate(hash_order({unit[d.id] for d in left}, "tune", tune.seed))}
    scored = sorted(left, key=lambda document: place[unit[document.id]])  # stable: within a document as they stand
    return Slice(tuple(pool), tuple(scored), tuple(names[document.id] for document in scored), len(repeated))


def _draw_pool(groups: Sequence[str], wanted: float, seed: int) -> frozenset[str]:
    """As many groups, in hash order, as it takes to have so many sentences."""
    sizes = Counter(groups)
    shown: set[str] = set()
    count = 0
    for name in hash_order(sizes, "tune pool", seed):
        if count >= wanted:
            break
        shown.add(name)
        count += sizes[name]
    return frozenset(shown)


def cut_at_documents(slice: Slice, size: int) -> int:
    """The smallest number of sentences, from `size` on, after which a document ends."""
    ends = [n for n, (here, after) in enumerate(pairwise(slice.documents), 1) if here != after]
    return next((end for end in ends if end >= size), len(slice.scored))
