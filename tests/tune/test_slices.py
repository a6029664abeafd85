"""What is shown and what is scored are never the same sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.tune.slices import Slice, cut_at_documents, take_slice
from tests.tune.searches import sentences, tune_settings


@given(
    count=st.integers(2, 40),
    of=st.integers(1, 7),
    share=st.floats(0.05, 0.6),
    seed=st.integers(0, 5),
    window=st.sampled_from([1, 2]),
)
def test_pool_and_scored_are_disjoint_and_together_all(
    tmp_path_factory: pytest.TempPathFactory, count: int, of: int, share: float, seed: int, window: int
) -> None:
    corpus = sentences(count, in_documents_of=of)
    tune = tune_settings(tmp_path_factory.mktemp("s"), corpus, pool=share, seed=seed, windows=[window])
    try:
        taken = take_slice(tune)
    except InputError as error:
        if "leaves no sentence to score on" in error.problem or (window > 1 and count <= of):
            return
        raise
    pool, scored = {d.id for d in taken.pool}, [d.id for d in taken.scored]
    assert not pool & {*scored}
    assert sorted([*pool, *scored]) == sorted(d.id for d in corpus)
    assert len(pool) >= share * count
    assert len(taken.documents) == len(scored)


def test_a_sentence_that_repeats_one_of_the_pool_is_left_out(tmp_path: Path) -> None:
    corpus = sentences(20, in_documents_of=1)
    first = take_slice(tune_settings(tmp_path, corpus)).pool[0]
    # the same text under another id and in another document
    again = replace(first, id="again", meta={"document": "other"})
    taken = take_slice(tune_settings(tmp_path, [*corpus, again]))
    assert "again" not in {document.id for document in taken.pool}
    assert "again" not in {document.id for document in taken.scored}
    assert taken.repeated == 1


def test_whole_documents_are_the_pool_where_there_are_ten(tmp_path: Path) -> None:
    taken = take_slice(tune_settings(tmp_path, sentences(60, in_documents_of=5)))
    shown = {document.meta["document"] for document in taken.pool}
    assert not shown & {*taken.documents}
    assert len(taken.pool) == 20  # 18 are wanted, documents have five
    few = take_slice(tune_settings(tmp_path, sentences(60, in_documents_of=10)))
    assert len(few.pool) == 18


def test_with_windows_documents_stay_whole_and_rungs_end_with_them(tmp_path: Path) -> None:
    taken = take_slice(tune_settings(tmp_path, sentences(40, in_documents_of=4), windows=[1, 2]))
    numbers = [int(document.id[1:]) for document in taken.scored]
    assert all(sorted(numbers[at : at + 4]) == numbers[at : at + 4] for at in range(0, len(numbers), 4))
    assert len(dict.fromkeys(taken.documents)) == len(numbers) / 4
    assert [cut_at_documents(taken, size) for size in (1, 4, 5, len(numbers))] == [4, 4, 8, len(numbers)]


def test_the_labels_of_what_is_asked_are_hidden(tmp_path: Path) -> None:
    taken: Slice = take_slice(tune_settings(tmp_path, sentences(12)))
    assert all(not document.spans for document in taken.unlabelled(5))
    assert [d.id for d in taken.unlabelled(5)] == [d.id for d in taken.scored[:5]]


def test_too_few_sentences_and_unknown_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 12 sentences, and 30 are asked for"):
        take_slice(tune_settings(tmp_path, sentences(12), sentences=30))
    with pytest.raises(InputError, match="leaves no sentence to score on"):
        take_slice(tune_settings(tmp_path, sentences(2, in_documents_of=1), pool=0.9))
    odd = [replace(d, spans=tuple(replace(s, label="ODD") for s in d.spans)) for d in sentences(12)]
    with pytest.raises(InputError, match="'ODD'"):
        take_slice(tune_settings(tmp_path, odd))


def test_a_corpus_that_cannot_tell_candidates_apart_is_refused(tmp_path: Path) -> None:
    bare = [replace(document, spans=()) for document in sentences(12)]
    with pytest.raises(InputError, match="has no labelled mention among the sentences to score on"):
        take_slice(tune_settings(tmp_path, bare))
    # shuffled, sentences of one document would be windows of what does not belong together
    for meta in ({"document": "one"}, {}):
        whole = [replace(document, meta=meta) for document in sentences(12)]
        with pytest.raises(InputError, match=r"tells no two documents apart.* or set windows: \[1\]"):
            take_slice(tune_settings(tmp_path, whole, windows=[1, 2]))
        assert take_slice(tune_settings(tmp_path, whole)).scored
