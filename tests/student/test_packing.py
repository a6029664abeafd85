from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.student.encode import Window, encode
from nerkd_local.student.model import new_student
from nerkd_local.student.packing import Layout, can_pack, pack, word_logits
from tests.models import WORDS

PAD = 9_999


@st.composite
def windows(draw: st.DrawFn) -> list[Window]:
    """One to a dozen windows; every token's id is its own, so that a batch shows which token stands where."""
    made = []
    next_id = 0
    for length in draw(st.lists(st.integers(1, 30), min_size=1, max_size=12)):
        places = sorted(draw(st.sets(st.integers(0, length - 1), min_size=1, max_size=length)))
        ids = np.arange(next_id, next_id + length, dtype=np.int32)
        made.append(Window(ids, np.array(places, np.int32), np.arange(len(places), dtype=np.int32)))
        next_id += length
    return made


@given(windows(), st.integers(1, 64), st.sampled_from([0, 2]))
def test_every_token_stands_once_at_its_place_and_sees_its_window_alone(
    given_windows: list[Window], row_tokens: int, first: int
) -> None:
    batch = pack(given_windows, PAD, row_tokens=row_tokens, first_position=first)
    assert isinstance(batch.attention_mask, torch.Tensor)
    assert batch.position_ids is not None
    ids, mask = batch.input_ids, batch.attention_mask[:, 0]
    rows, width = ids.shape
    assert mask.shape == (rows, width, width)
    owner = {int(id): number for number, window in enumerate(given_windows) for id in window.input_ids}
    place = {int(id): place for window in given_windows for place, id in enumerate(window.input_ids)}
    assert sorted(ids[ids != PAD].tolist()) == sorted(owner)
    for row in range(rows):
        for column in range(width):
            id = int(ids[row, column])
            if id == PAD:
                seen = {int(other) for other in ids[row, mask[row, column]]}
                assert seen == {PAD}  # not empty: a softmax over nothing is no number
            else:
                assert int(batch.position_ids[row, column]) == place[id] + first
                assert ids[row, mask[row, column]].tolist() == given_windows[owner[id]].input_ids.tolist()


@given(windows(), st.integers(1, 64))
def test_words_and_values_stay_in_the_order_of_the_windows(given_windows: list[Window], row_tokens: int) -> None:
    batch = pack(given_windows, PAD, row_tokens=row_tokens)
    words = np.concatenate([window.input_ids[window.positions] for window in given_windows])
    assert batch.input_ids[batch.rows, batch.columns].tolist() == words.tolist()
    laid = batch.laid_out([window.input_ids.astype(np.int64) + 1 for window in given_windows])
    assert laid.tolist() == torch.where(batch.input_ids == PAD, 0, batch.input_ids + 1).tolist()


@given(windows(), st.integers(1, 64))
def test_rows_are_about_as_long_as_asked_and_about_equally_long(given_windows: list[Window], row_tokens: int) -> None:
    lengths = [len(window) for window in given_windows]
    batch = pack(given_windows, PAD, row_tokens=row_tokens)
    filled = (batch.input_ids != PAD).sum(1)
    longest = int(filled.max())
    assert max(lengths) <= longest <= max(row_tokens, *lengths) + max(lengths)
    assert int(filled.min()) > 0
    assert longest - int(filled.min()) <= max(lengths)
    assert longest <= batch.input_ids.shape[1] <= longest * 17 / 16


@pytest.mark.parametrize(
    ("longest", "width"),
    [
        (1, 1),
        (31, 31),
        (32, 32),
        (33, 34),
        (63, 64),
        (64, 64),
        (65, 68),
        (127, 128),
        (128, 128),
        (129, 136),
        (511, 512),
    ],
)
def test_rows_come_in_few_widths(longest: int, width: int) -> None:
    assert pack(of_length(longest), PAD, row_tokens=1).input_ids.shape == (1, width)


def of_length(*lengths: int) -> list[Window]:
    """Windows whose tokens' ids are their number."""
    one = np.zeros(1, np.int32)
    return [Window(np.full(length, number, np.int32), one, one) for number, length in enumerate(lengths)]


@pytest.mark.parametrize(
    ("lengths", "row_tokens", "rows"),
    [
        # 18 tokens fill two rows of 9: longest first, each into the emptiest, they come to 8 and 10; three rows would
        # come to 5, 6 and 7, and 3 x 7 is more than 2 x 10
        ((5, 4, 3, 3, 3), 9, [[0, 3, None], [1, 2, 4]]),
        # one row of 8 for 8 tokens, where two of 4 are as good: the first that is tried, with shorter rows, is taken
        ((4, 4), 8, [[0], [1]]),
        # 13 tokens fill two rows of 8: 7 and 5 + 1; three rows, 7, 5 and 1, would be 21 and not 14
        ((7, 5, 1), 8, [[0], [1, 2, None]]),
        # a window that is longer than the rows makes them as long
        ((9, 2, 2, 2), 4, [[0], [1, 2, 3, None]]),
        ((3,), 256, [[0]]),
    ],
)
def test_rows_by_hand(lengths: tuple[int, ...], row_tokens: int, rows: list[list[int | None]]) -> None:
    ids = pack(of_length(*lengths), PAD, row_tokens=row_tokens).input_ids.tolist()
    found = [list(dict.fromkeys(None if id == PAD else id for id in row)) for row in ids]
    assert found == rows


@given(windows(), st.integers(1, 64))
def test_there_is_at_most_one_row_more_than_the_tokens_fill(given_windows: list[Window], row_tokens: int) -> None:
    lengths = [len(window) for window in given_windows]
    ids = pack(given_windows, PAD, row_tokens=row_tokens).input_ids
    rows, longest = len(ids), int((ids != PAD).sum(1).max())
    assert rows <= -(-sum(lengths) // max(row_tokens, *lengths)) + 1
    assert rows * longest - sum(lengths) < rows * max(lengths)  # less than the longest window is empty in a row


@given(windows(), st.integers(1, 64), st.integers(0, 6))
def test_layers_that_look_only_so_far_get_a_mask_of_their_own(
    given_windows: list[Window], row_tokens: int, reach: int
) -> None:
    plain = pack(given_windows, PAD, row_tokens=row_tokens).attention_mask
    masks = pack(given_windows, PAD, row_tokens=row_tokens, reach=reach).attention_mask
    assert isinstance(plain, torch.Tensor)
    assert isinstance(masks, dict)
    assert torch.equal(masks["full_attention"], plain)
    width = plain.shape[-1]
    for token in range(width):
        near = [other for other in range(width) if abs(other - token) <= reach]
        expected = torch.zeros_like(plain[:, 0, token])
        expected[:, near] = plain[:, 0, token][:, near]
        assert torch.equal(masks["sliding_attention"][:, 0, token], expected)


@pytest.mark.parametrize("count", [8, 16, 64, 256])
def test_hardly_anything_is_padding(count: int) -> None:
    # sentence lengths as newswire has them: mean about 20, some up to 60 and more
    draw = np.random.default_rng(0)
    steps = [draw.gamma(2.0, 10.0, count).astype(int) + 3 for _ in range(20)]
    processed = sum(pack(of_length(*lengths), PAD, row_tokens=256).input_ids.numel() for lengths in steps)
    assert 1 - sum(lengths.sum() for lengths in steps) / processed < 0.03


SENTENCES = [WORDS[start : start + length] for start, length in [(0, 1), (1, 11), (2, 5), (0, 12), (4, 2), (3, 9)]]


@pytest.fixture
def student(tiny_encoder: Path) -> tuple[Any, list[Window]]:
    """A tiny student whose scores tell texts apart, and windows of different lengths."""
    model, tokenizer = new_student(tiny_encoder, ["A"], seed=1)
    torch.nn.init.normal_(model.classifier.weight, generator=torch.Generator().manual_seed(0))
    encoded = encode(tokenizer, SENTENCES, max_tokens=16, stride=4)
    return model.eval(), [window for cut in encoded for window in cut]


@pytest.mark.parametrize("row_tokens", [1, 20, 33, 256])
def test_a_model_reads_packed_windows_as_it_reads_them_one_by_one(
    student: tuple[Any, list[Window]], row_tokens: int
) -> None:
    model, given_windows = student
    layout = Layout(0, 0)
    alone = [word_logits(model, Layout(0, None).batch([window], row_tokens=1)) for window in given_windows]
    together = word_logits(model, layout.batch(given_windows, row_tokens=row_tokens))
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert float(torch.cat(alone).detach().std(0).min()) > 0.1


def test_padded_windows_have_a_row_each_and_no_positions_of_ours(student: tuple[Any, list[Window]]) -> None:
    _, given_windows = student
    batch = Layout(0, None).batch(given_windows, row_tokens=256)
    assert len(batch.input_ids) == len(given_windows)
    assert batch.position_ids is None


def test_what_can_be_packed_is_found_once_for_windows_so_long(
    student: tuple[Any, list[Window]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = student
    tried: list[int] = []

    def counted(model: Any, layout: Layout, longest: int) -> bool:
        tried.append(longest)
        return can_pack(model, layout, longest)

    monkeypatch.setattr("nerkd_local.student.packing.can_pack", counted)
    found = [Layout.of(model, 0, longest) for longest in (16, 16, 8, 32, 16)]
    assert tried == [16, 32]
    assert found == [Layout(0, 0)] * 5


class Deaf(torch.nn.Module):
    """A student that does not take the mask or the positions as they are meant."""

    def __init__(self, model: Any, ignored: str) -> None:
        super().__init__()
        self.model = model
        self.ignored = ignored
        self.config = model.config

    def get_input_embeddings(self) -> Any:
        return self.model.get_input_embeddings()

    def forward(self, **inputs: Any) -> Any:
        if self.ignored == "window borders" and inputs["attention_mask"].ndim == 4:
            inputs["attention_mask"] = inputs["attention_mask"].any(-2).flatten(1).long()
        elif self.ignored == "positions":
            inputs.pop("position_ids", None)
        elif self.ignored == "masks of more than two axes" and inputs["attention_mask"].ndim > 2:
            raise ValueError("wrong shape for attention_mask")
        elif self.ignored == "texts without boxes":
            raise ValueError("You have to specify bbox")
        return self.model(**inputs)


@pytest.mark.parametrize("ignored", ["window borders", "positions", "masks of more than two axes"])
@pytest.mark.parametrize("training", [True, False])
def test_a_model_that_cannot_read_packed_windows_gets_padded_ones(
    student: tuple[Any, list[Window]], ignored: str, training: bool
) -> None:
    model, _ = student
    deaf = Deaf(model, ignored).train(training)
    state = torch.get_rng_state()
    assert Layout.of(deaf, 0, 16) == Layout(0, None)
    assert deaf.training == training
    assert torch.equal(torch.get_rng_state(), state)
    assert Layout.of(Deaf(model, "nothing"), 0, 16) == Layout(0, 0)


def test_a_model_that_wants_more_than_text_is_refused(student: tuple[Any, list[Window]]) -> None:
    with pytest.raises(InputError, match="Deaf does not read plain text: You have to specify bbox"):
        Layout.of(Deaf(student[0], "texts without boxes"), 0, 16)
