"""Folds: whole documents, near-equal sizes, the same whatever the order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.folds import assign_folds, document_names
from nerkd_local.errors import InputError
from nerkd_local.records import Document, from_words


def sentence(number: int, document: str | None = None) -> Document:
    return from_words(f"s{number}", ["a"], meta={"document": document} if document else {})


@given(
    st.lists(st.integers(1, 6), min_size=3, max_size=25).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(3, min(len(sizes), 6)))
    ),
    st.integers(0, 5),
)
def test_documents_stay_whole_and_folds_differ_by_no_more_than_one_document(
    drawn: tuple[list[int], int], seed: int
) -> None:
    sizes, count = drawn
    documents = [sentence(100 * d + n, f"d{d}") for d, size in enumerate(sizes) for n in range(size)]
    folds = assign_folds(documents, count, seed)
    assert folds == assign_folds(reversed(documents), count, seed)
    assert set(folds) == {document.id for document in documents}
    homes: dict[str, set[int]] = {}
    for id, name in document_names(documents).items():
        homes.setdefault(name, set()).add(folds[id])
    assert all(len(home) == 1 for home in homes.values())
    members = [list(folds.values()).count(fold) for fold in range(count)]
    assert min(members) > 0
    assert max(members) - min(members) <= max(sizes)


def test_sentences_without_a_document_are_divided_evenly() -> None:
    folds = assign_folds([sentence(number) for number in range(10)], 3, 0)
    assert sorted(list(folds.values()).count(fold) for fold in range(3)) == [3, 3, 4]


def test_one_document_for_all_is_none() -> None:
    sentences = [sentence(number, "train#0") for number in range(4)]
    assert document_names(sentences) == {"s0": "s0", "s1": "s1", "s2": "s2", "s3": "s3"}
    assert sorted(assign_folds(sentences, 4, 0).values()) == [0, 1, 2, 3]


def test_another_seed_divides_otherwise() -> None:
    documents = [sentence(number) for number in range(30)]
    assert assign_folds(documents, 5, 0) != assign_folds(documents, 5, 1)


def test_fewer_documents_than_folds_are_refused() -> None:
    with pytest.raises(InputError, match="5 folds are asked for, but the labelled sentences come from 2 documents"):
        assign_folds([sentence(number, f"d{number % 2}") for number in range(9)], 5, 0)
