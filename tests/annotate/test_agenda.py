"""What is still to be asked: every sentence once, itself or through another of the same text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.agenda import Agenda, in_shard
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import text_key
from nerkd_local.records import Document

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "longer", "ü"]), max_size=30)


def sentences(texts: list[str]) -> SentenceList:
    return SentenceList(Document(f"d:{number}", text, ()) for number, text in enumerate(texts))


def agenda(texts: list[str], answered: set[int], **how: int | bool) -> Agenda:
    numbers = np.array(sorted(answered), dtype=np.int64)
    keys = np.array([text_key(texts[number]) for number in sorted(answered)], dtype=np.int64)
    return Agenda(sentences(texts), numbers, keys, **how)  # type: ignore[arg-type]


def copies(found: Agenda, texts: list[str]) -> dict[int, list[int]]:
    return {number: list(found.copies_of(number)) for number in range(len(texts))}


def test_the_first_of_each_text_is_asked_and_serves_the_others() -> None:
    texts = ["a", "b", "a", "c", "b", "a"]
    found = agenda(texts, set())
    assert found.asked.tolist() == [0, 1, 3]
    assert copies(found, texts) == {0: [2, 5], 1: [4], 2: [], 3: [], 4: [], 5: []}
    assert (found.total, found.answered, found.copies, found.late.tolist()) == (6, 0, 3, [])


def test_copies_of_an_answered_sentence_wait_for_nothing() -> None:
    texts = ["a", "b", "a", "c", "b", "a"]
    found = agenda(texts, {0, 2, 4})  # 4 was asked before 1 was known: 1 is asked all the same, being the first
    assert found.asked.tolist() == [1, 3]
    assert found.late.tolist() == [0]
    assert copies(found, texts)[0] == [5]
    assert (found.total, found.answered, found.copies) == (6, 3, 1)


def test_without_sharing_every_sentence_is_asked() -> None:
    texts = ["a", "b", "a"]
    found = agenda(texts, {1}, deduplicate=False)
    assert found.asked.tolist() == [0, 2]
    assert found.copies == 0
    assert found.late.tolist() == []


def test_nothing_is_missing_of_nothing() -> None:
    found = agenda([], set())
    assert (found.total, found.answered, len(found.asked), found.copies, len(found.late)) == (0, 0, 0, 0, 0)


@given(texts=TEXTS, data=st.data(), deduplicate=st.booleans(), shards=st.integers(1, 5))
def test_every_sentence_is_answered_or_asked_or_a_copy_in_exactly_one_shard(
    texts: list[str], data: st.DataObject, deduplicate: bool, shards: int
) -> None:
    served: list[int] = []
    shard_of = {n: text_key(text) % 2**64 % shards + 1 for n, text in enumerate(texts)}
    for shard in range(1, shards + 1):
        own = [n for n in shard_of if shard_of[n] == shard]
        answered = data.draw(st.sets(st.sampled_from(own))) if own else set()
        found = agenda(texts, answered, shard=shard, shards=shards, deduplicate=deduplicate)
        asked, waiting = found.asked.tolist(), copies(found, texts)
        assert found.total == len(own)
        assert found.answered == len(answered)
        mine = [*answered, *asked, *(copy for others in waiting.values() for copy in others)]
        assert sorted(mine) == own
        assert asked == sorted(asked)
        assert found.copies == sum(map(len, waiting.values()))
        for number, others in waiting.items():
            assert all(texts[copy] == texts[number] and copy > number for copy in others)
            # whom others wait for will have an answer, or has one
            assert not others or (number in asked) != (number in answered)
        assert found.late.tolist() == sorted(n for n, others in waiting.items() if others and n in answered)
        if deduplicate:
            assert len({texts[n] for n in asked}) == len(asked)
        else:
            assert found.copies == 0
        served += mine
    assert sorted(served) == list(range(len(texts)))


@given(keys=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50), shards=st.integers(1, 10_000))
def test_a_key_is_in_the_shard_of_its_remainder(keys: list[int], shards: int) -> None:
    numbers = np.array(keys, dtype=np.int64)
    for shard in {1, shards, *(key % 2**64 % shards + 1 for key in keys[:5])}:
        assert in_shard(numbers, shard, shards).tolist() == [key % 2**64 % shards == shard - 1 for key in keys]


def test_a_corpus_that_grows_keeps_its_answers() -> None:
    found = agenda(["a", "b", "c"], {0, 1})
    assert found.asked.tolist() == [2]


def test_a_changed_sentence_is_refused_by_its_number_and_id() -> None:
    numbers, keys = np.array([0, 1]), np.array([text_key("a"), text_key("b")])
    with pytest.raises(InputError, match=r"sentence 1 is 'd:1' now, but its stored answer is to another text"):
        Agenda(sentences(["a", "changed"]), numbers, keys)


def test_a_shortened_corpus_is_refused() -> None:
    numbers, keys = np.array([0, 2]), np.array([text_key("a"), text_key("c")])
    with pytest.raises(InputError, match=r"there is a stored answer to sentence 2, and the corpus ends before it"):
        Agenda(sentences(["a", "b"]), numbers, keys)
