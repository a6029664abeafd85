from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.student.encode import Frame, collate, cut, encode, special_frame, window_starts

FRAME = Frame((101,), (102,))


def test_a_short_text_is_one_window_between_the_special_tokens() -> None:
    # two words, the first of two sub-tokens
    (window,) = cut([7, 8, 9], [0, 0, 1], FRAME, capacity=10, stride=2)
    assert window.input_ids.tolist() == [101, 7, 8, 9, 102]
    assert window.positions.tolist() == [1, 3]
    assert window.words.tolist() == [0, 1]


def test_each_word_is_answered_where_it_is_farthest_from_a_cut() -> None:
    # 10 one-sub-token words, room for 6, at least 2 shared: windows [0, 6) and [4, 10). Words 4 and 5 are in
    # both: 4 is 1 from the first's right edge and 0 from the second's left edge, 5 the other way round.
    first, second = cut(range(10), range(10), FRAME, capacity=6, stride=2)
    assert first.words.tolist() == [0, 1, 2, 3, 4]
    assert second.words.tolist() == [5, 6, 7, 8, 9]
    assert second.input_ids.tolist() == [101, 4, 5, 6, 7, 8, 9, 102]
    assert second.positions.tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("length", "capacity", "stride", "starts"),
    [
        (6, 6, 2, [0]),
        (7, 6, 2, [0, 1]),
        (10, 6, 2, [0, 4]),
        (11, 6, 2, [0, 2, 5]),  # two windows would share 1; three are spread evenly
        (12, 6, 0, [0, 6]),
    ],
)
def test_windows_are_as_few_as_possible_and_evenly_spread(
    length: int, capacity: int, stride: int, starts: list[int]
) -> None:
    assert window_starts(length, capacity, stride).tolist() == starts


@st.composite
def pieces(draw: st.DrawFn) -> tuple[list[int], int, int]:
    """The word of each sub-token (some words have none), a capacity and a stride."""
    counts = draw(st.lists(st.integers(0, 5), max_size=60))
    capacity = draw(st.integers(1, 20))
    return (
        [word for word, count in enumerate(counts) for _ in range(count)],
        capacity,
        draw(st.integers(0, capacity - 1)),
    )


@given(pieces())
def test_every_word_with_sub_tokens_is_in_exactly_one_window(
    given_pieces: tuple[list[int], int, int],
) -> None:
    word_of, capacity, stride = given_pieces
    windows = cut(list(range(len(word_of))), word_of, FRAME, capacity=capacity, stride=stride)
    answered = [int(word) for window in windows for word in window.words]
    assert answered == sorted(set(word_of))
    for window in windows:
        assert len(window) <= capacity + 2
        # ids are the sub-tokens' numbers here, so a position leads back to the word's first sub-token
        firsts = [word_of.index(word) for word in window.words]
        assert window.input_ids[window.positions].tolist() == firsts


@given(pieces())
def test_no_other_window_gives_a_word_more_context_on_its_poorer_side(
    given_pieces: tuple[list[int], int, int],
) -> None:
    word_of, capacity, stride = given_pieces
    starts = window_starts(len(word_of), capacity, stride)
    windows = cut(list(range(len(word_of))), word_of, FRAME, capacity=capacity, stride=stride)
    for window in windows:
        for word in window.words:
            first = word_of.index(word)
            context = {
                int(start): min(first - start, start + capacity - 1 - first)
                for start in starts
                if start <= first < start + capacity
            }
            assert context[int(window.input_ids[1])] == max(context.values()) or len(starts) == 1


def test_text_that_spells_a_special_token_is_read_as_text(tokenizer: Any) -> None:
    ((window,),) = encode(tokenizer, [["[SEP]"]], max_tokens=16, stride=0)
    separator = tokenizer.sep_token_id
    assert window.input_ids.tolist().count(separator) == 1
    assert window.input_ids[-1] == separator


def test_words_without_sub_tokens_are_in_no_window(tokenizer: Any) -> None:
    (windows,) = encode(tokenizer, [["Anna", "\u200b", "lives", "\x07"]], max_tokens=16, stride=0)
    assert windows[0].words.tolist() == [0, 2]
    assert encode(tokenizer, [["\u200b"], []], max_tokens=16, stride=0) == [[], []]


def test_a_long_sentence_is_cut_into_windows_and_not_truncated(tokenizer: Any) -> None:
    (windows,) = encode(tokenizer, [["paris"] * 1000], max_tokens=16, stride=4)
    assert [int(word) for window in windows for word in window.words] == list(range(1000))
    assert max(map(len, windows)) == 16


def test_the_special_tokens_are_the_tokenizers_own(tokenizer: Any) -> None:
    assert special_frame(tokenizer) == Frame((tokenizer.cls_token_id,), (tokenizer.sep_token_id,))


@pytest.mark.parametrize(("max_tokens", "stride"), [(16, 14), (16, -1), (2, 0)])
def test_a_stride_that_cannot_move_on_is_refused(tokenizer: Any, max_tokens: int, stride: int) -> None:
    with pytest.raises(InputError, match="does not fit max_tokens"):
        encode(tokenizer, [["paris"]], max_tokens=max_tokens, stride=stride)


def test_windows_are_padded_to_the_longest_and_words_keep_their_places() -> None:
    short, long = (
        cut(ids, words, FRAME, capacity=10, stride=0)[0] for ids, words in [([5], [0]), ([6, 7, 8], [0, 1, 1])]
    )
    batch = collate([short, long], pad=0)
    assert batch.input_ids.tolist() == [[101, 5, 102, 0, 0], [101, 6, 7, 8, 102]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch.input_ids[batch.rows, batch.columns].tolist() == [5, 6, 7]
    assert np.array_equal(batch.rows.numpy(), [0, 1, 1])
