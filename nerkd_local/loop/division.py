"""The human-labelled sentences of a loop: those to learn from, and the slice that gains are measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nerkd_local.corpus.checks import check_labels
from nerkd_local.corpus.folds import document_names
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.corpus.near import NearIndex
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import hash_order
from nerkd_local.loop.settings import LoopSettings
from nerkd_local.records import Document


def divide(settings: LoopSettings, folder: Path) -> tuple[Path, Path, str]:
    """Write `original.jsonl` and `evaluation.jsonl`; returns both and a line on how many there are.

    Sentences to learn from that stand in the slice, or nearly where that is not allowed, are left out. The same
    settings write the same files.
    Raises InputError for labels outside the annotator's set, and where nothing would be left on one side.
    """
    corpus = settings.original
    documents = list(read_corpus(corpus))
    check_labels(documents, settings.annotator.labels, corpus.path)
    if settings.evaluation is None:
        held_out = _held_out(documents, settings.held_out, settings.sample_seed)
        evaluation = [document for document in documents if document.id in held_out]
    else:
        held_out = frozenset()
        evaluation = list(read_corpus(settings.evaluation))
        check_labels(evaluation, settings.annotator.labels, settings.evaluation.path)
    rest = [document for document in documents if document.id not in held_out]
    near = settings.near_duplicates
    copies = list(NearIndex(evaluation, near.similarity).copies(rest))
    twice = frozenset(copy.id for copy in copies if copy.exact)
    nearly = frozenset(copy.id for copy in copies if not copy.exact)
    left_out = twice if near.allow else twice | nearly
    original = [document for document in rest if document.id not in left_out]
    if not original or not evaluation:
        raise InputError(
            "leaves no sentence to learn from, or none to measure on; give more, or another held_out", path=corpus.path
        )
    files = folder / "original.jsonl", folder / "evaluation.jsonl"
    write_documents(files[0], original)
    write_documents(files[1], evaluation)
    said = (
        f"{len(original):,} human-labelled sentences to learn from, {len(evaluation):,} to measure gains on; "
        f"{len(twice):,} stand in both and are left out of the first, {len(nearly):,} nearly, and are "
        f"{'allowed' if near.allow else 'left out too'}"
    )
    return *files, said


def _held_out(documents: Sequence[Document], share: float, seed: int) -> frozenset[str]:
    """Whole documents, in hash order, until they hold the share of all sentences; never all of them."""
    names = document_names(documents)
    sizes = Counter(names.values())
    chosen = set[str]()
    count = 0
    for name in hash_order(sizes, "held out", seed)[:-1]:
        if count >= share * len(documents):
            break
        chosen.add(name)
        count += sizes[name]
    return frozenset(id for id, name in names.items() if name in chosen)
