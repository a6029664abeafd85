from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.student.dropout import DropoutKeys, KeyedDropout, key_dropout, table_rows, token_keys

WIDTH = 48


class Block(torch.nn.Module):
    """One layer of a made-up encoder, with dropout in each way that is found in real ones."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.odd = torch.nn.Dropout(rate)  # a name that says nothing
        self.of_weights = torch.nn.Dropout(rate)
        self.rate_alone = torch.nn.Dropout(rate)
        self.dropout = rate
        self.of_a_table = torch.nn.Dropout(rate)
        self.table = torch.nn.Parameter(torch.ones(7, WIDTH))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        mixed = self.of_weights((hidden @ hidden.transpose(1, 2)).softmax(-1)) @ hidden
        for rate in (self.rate_alone.p, self.dropout):
            rate = rate if self.training else 0.0
            mixed = mixed + torch.nn.functional.scaled_dot_product_attention(hidden, hidden, hidden, dropout_p=rate)
        return self.odd(mixed + self.of_a_table(self.table).mean())


class Encoder(torch.nn.Module):
    """Two blocks. `by_hand`: the rate of a dropout of hidden states that is no layer."""

    def __init__(self, rate: float = 0.25, by_hand: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.words = torch.nn.Embedding(40, WIDTH)
        self.blocks = torch.nn.Sequential(Block(rate), Block(rate))
        self.dropout_by_hand = by_hand
        self.config = SimpleNamespace()

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.words

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = torch.nn.functional.dropout(self.words(input_ids), p=self.dropout_by_hand, training=self.training)
        out: torch.Tensor = self.blocks(hidden)
        return out


def masks(rate: float, keys: torch.Tensor, *, seed: int = 0, layers: int = 1) -> list[torch.Tensor]:
    """What the layers of a model multiply tokens of width 48 by. Shape of each: (rows, tokens, 48)."""
    model = torch.nn.Sequential(*(torch.nn.Dropout(rate) for _ in range(layers)))
    model.get_input_embeddings = lambda: SimpleNamespace(num_embeddings=9)  # type: ignore[assignment]

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> None:
        for layer in model:
            layer(torch.ones(*input_ids.shape, WIDTH))

    model.forward = forward  # type: ignore[method-assign,assignment]
    model.register_parameter("weight", torch.nn.Parameter(torch.zeros(1)))
    dropout = key_dropout(model, seed)
    model.train()
    with dropout.of(keys):
        return [layer(torch.ones(*keys.shape, WIDTH)) for layer in list(model.children())]


def keys_of(count: int, *, seed: int = 5) -> torch.Tensor:
    """The keys of that many tokens of one example, as one row."""
    return torch.from_numpy(token_keys(seed, np.zeros(count, np.int64), np.arange(count, dtype=np.int64)))[None]


@given(
    st.integers(0, 2**63),
    st.lists(st.tuples(st.integers(0, 2**44 - 1), st.integers(0, 2**20 - 1)), min_size=1, max_size=40, unique=True),
)
def test_no_two_tokens_of_a_step_share_a_key(seed: int, tokens: list[tuple[int, int]]) -> None:
    examples, places = np.array(tokens, np.int64).T
    keys = token_keys(seed, examples, places)
    assert len(set(keys.tolist())) == len(tokens)


def test_no_two_tokens_of_a_large_step_share_a_key_and_another_step_has_others() -> None:
    examples, places = np.repeat(np.arange(512), 256), np.tile(np.arange(256), 512)
    keys = token_keys(1, examples, places)
    assert len(np.unique(keys)) == len(keys)
    assert not np.isin(token_keys(2, examples, places), keys).any()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_mask_keeps_the_mean_and_has_the_variance_of_dropout(rate: float) -> None:
    (mask,) = masks(rate, keys_of(20_000))
    kept = 1 / (1 - rate)
    assert sorted(mask.unique().tolist()) == pytest.approx([0, kept])
    # 4,096 rows of 48: a standard error of 0.0008 for the mean at rate 0.1
    assert float(mask.mean()) == pytest.approx(1, abs=0.01)
    assert float(mask.var()) == pytest.approx(rate / (1 - rate), rel=0.02)
    by_column = mask[0].mean(0)
    assert float((by_column - 1).abs().max()) < 0.1 * kept


def test_nothing_is_kept_at_rate_1_and_all_at_rate_0() -> None:
    assert masks(1.0, keys_of(3))[0].tolist() == torch.zeros(1, 3, WIDTH).tolist()
    assert masks(0.0, keys_of(3))[0].tolist() == torch.ones(1, 3, WIDTH).tolist()


def test_masks_differ_by_token_layer_step_and_run() -> None:
    first, second = masks(0.5, keys_of(200), layers=2)
    (next_step,) = masks(0.5, keys_of(200, seed=6))
    (other_run,) = masks(0.5, keys_of(200), seed=1)
    for other in (second, next_step, other_run, first.roll(1, dims=1)):
        alike = (first == other).float().mean(-1)
        assert float(alike.mean()) == pytest.approx(0.5, abs=0.03)
        assert int((alike == 1).sum()) <= 2  # by chance 200 of 4,096


def test_two_tokens_that_share_a_mask_in_one_layer_do_not_in_the_next() -> None:
    # 40,000 tokens on 4,096 masks: about 195,000 pairs share one, and of these one in 4,096 by chance
    # shares one in another layer too
    keys = keys_of(40_000)
    rows = table_rows(keys, 6)[:, 0].numpy()
    for earlier, later in [(0, 1), (0, 2), (1, 2), (4, 5)]:
        both = rows[earlier] * 4096 + rows[later]
        sizes = np.unique(both, return_counts=True)[1]
        assert 10 < int((sizes * (sizes - 1) // 2).sum()) < 120
    assert all(len(np.unique(each)) > 4000 for each in rows)


@given(st.permutations(range(12)), st.sampled_from([(1, 12), (3, 4), (12, 1)]))
def test_a_tokens_mask_does_not_depend_on_its_place_in_the_batch(order: list[int], shape: tuple[int, int]) -> None:
    keys = keys_of(12)
    (one,) = masks(0.5, keys)
    (other,) = masks(0.5, keys[0, order].view(shape))
    assert torch.equal(one[0, order].view(*shape, WIDTH), other)


def test_gradients_flow_where_the_mask_keeps() -> None:
    model = Encoder()
    dropout = key_dropout(model, seed=0)
    layer = model.blocks[0].odd
    assert isinstance(layer, KeyedDropout)
    hidden = torch.randn(1, 30, WIDTH, requires_grad=True)
    with dropout.of(keys_of(30)):
        layer(hidden).sum().backward()
        mask = layer(torch.ones(1, 30, WIDTH))
    assert hidden.grad is not None
    assert torch.equal(hidden.grad, mask)


def ways(model: Any) -> tuple[set[type], list[float]]:
    """The types of the layers that hidden states go through, and the rates of everything else."""
    through = {type(block.odd) for block in model.blocks}
    others = [
        rate
        for block in model.blocks
        for rate in (block.of_weights.p, block.rate_alone.p, block.dropout, block.of_a_table.p)
    ]
    return through, others


def test_hidden_states_are_dropped_out_by_key_and_nothing_else_is() -> None:
    model = Encoder()
    state = torch.get_rng_state()
    dropout = key_dropout(model, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert ways(model) == ({KeyedDropout}, [0.0] * 8)
    assert not dropout.draws
    ids = torch.arange(20).view(2, 10)
    with dropout.of(keys_of(20).view(2, 10)):
        model(ids, torch.ones_like(ids))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_in_evaluation_is_left_so_and_drops_nothing_out() -> None:
    model = Encoder().eval()
    dropout = key_dropout(model, seed=0)
    assert not model.training
    ids = torch.arange(20).view(2, 10)
    with dropout.of(keys_of(20).view(2, 10)):
        kept = model(ids, torch.ones_like(ids))
    assert torch.equal(kept, Encoder(rate=0.0)(ids, torch.ones_like(ids)))


def test_an_architecture_that_drops_hidden_states_out_by_itself_goes_on_and_is_told_of() -> None:
    model = Encoder(by_hand=0.25)
    dropout = key_dropout(model, seed=0)
    assert dropout.draws
    assert model.dropout_by_hand == 0.25
    assert ways(model) == ({KeyedDropout}, [0.0] * 8)


def test_of_a_real_architecture_without_layers_too() -> None:
    from transformers import XLMConfig, XLMForTokenClassification

    config = XLMConfig(vocab_size=50, emb_dim=16, n_layers=2, n_heads=2, dropout=0.2, attention_dropout=0.3)
    model = XLMForTokenClassification(config)
    dropout = key_dropout(model, seed=0)
    assert dropout.draws
    assert model.transformer.dropout == 0.2
    assert {each.dropout for each in model.transformer.attentions} == {0.0}


def test_of_hidden_states_that_are_laid_out_anew_too() -> None:
    from transformers import LongformerConfig, LongformerForTokenClassification

    config = LongformerConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        attention_window=8,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.3,
    )
    model = LongformerForTokenClassification(config)
    dropout = key_dropout(model, seed=0)
    assert dropout.draws
    assert isinstance(model.dropout, KeyedDropout)
    layer = model.longformer.encoder.layer[0]
    assert layer.output.dropout.p == 0.2  # padded to the attention's window in there
    assert layer.attention.self.dropout == 0.0


def test_without_keys_for_just_these_tokens_it_draws() -> None:
    model = Encoder()
    dropout = key_dropout(model, seed=0)
    layer = model.blocks[0].odd
    ones = torch.ones(1, 30, WIDTH)

    def is_drawn(keyed: DropoutKeys, keys: torch.Tensor | None) -> bool:
        if keys is None:
            return not torch.equal(layer(ones), layer(ones))
        with keyed.of(keys):
            return not torch.equal(layer(ones), layer(ones))

    assert is_drawn(dropout, None)
    assert is_drawn(dropout, keys_of(29))
    assert not is_drawn(dropout, keys_of(30))
    assert is_drawn(dropout, None)  # the keys are gone with their block
