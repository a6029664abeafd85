"""The faster ways give what torch gives, are taken where they are said to be, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from nerkd_local.student import kernels
from nerkd_local.student.device import autocast
from nerkd_local.student.kernels import fast_kernels

CPU = torch.device("cpu")
ROWS, HEADS, LENGTH, WIDTH = 2, 3, 12, 8


def drawn(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def heads(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Query, key and value."""
    return [drawn(ROWS, HEADS, LENGTH, WIDTH, dtype=dtype, seed=seed).requires_grad_() for seed in range(3)]


def blocks() -> torch.Tensor:
    """Windows of 5 and 7 tokens in the first row, of 11 and 1 in the second. Shape: (rows, 1, length, length)."""
    owners = torch.tensor([[0] * 5 + [1] * 7, [0] * 11 + [1]])
    return (owners[:, :, None] == owners[:, None, :])[:, None]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the faster ways, as they are taken."""
    names: list[str] = []

    def noted(name: str) -> Callable[..., torch.Tensor | None]:
        way = getattr(kernels, name)

        def call(*arguments: Any, **named: Any) -> torch.Tensor | None:
            result: torch.Tensor | None = way(*arguments, **named)
            if result is not None:  # not left to torch
                names.append(name)
            return result

        return call

    for name in ("_attend", "_linear"):
        monkeypatch.setattr(kernels, name, noted(name))
    return names


@pytest.mark.parametrize("scale", [None, 0.1])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_attention_is_torchs_forward_and_backward(
    taken: list[str], dtype: torch.dtype, close: float, scale: float | None
) -> None:
    exact = [each.double().detach().requires_grad_() for each in heads(dtype)]
    expected = functional.scaled_dot_product_attention(*exact, attn_mask=blocks(), scale=scale)
    weights = drawn(*expected.shape, seed=7)
    (expected * weights).sum().backward()
    inputs = heads(dtype)
    with fast_kernels(CPU):
        found = functional.scaled_dot_product_attention(*inputs, attn_mask=blocks(), scale=scale)
    (found * weights).sum().backward()
    assert taken == ["_attend"]
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=close)
    for mine, theirs in zip(inputs, exact, strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=0, atol=close)


@pytest.mark.parametrize("rotated", [0, 2, 3], ids=["none", "query and key", "all"])
def test_autocast_takes_tensors_of_any_precision(taken: list[str], rotated: int) -> None:
    """As torch's own attention does: models that turn queries and keys by position leave them in float32."""
    inputs = [
        drawn(ROWS, HEADS, LENGTH, WIDTH, dtype=torch.float32 if number < rotated else torch.bfloat16, seed=number)
        for number in range(3)
    ]
    found = []
    for device in (CPU, torch.device("cuda")):  # the faster way, and torch's
        given = [each.clone().requires_grad_() for each in inputs]
        with autocast("bf16", CPU), fast_kernels(device):
            attended = functional.scaled_dot_product_attention(*given, attn_mask=blocks())
        attended.float().sum().backward()
        assert attended.dtype == torch.bfloat16
        found.append([attended.float(), *(each.grad.float() for each in given if each.grad is not None)])
    assert taken == ["_attend"]
    assert len(found[0]) == 4
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=3e-2)


def test_no_gradient_leaves_a_window(taken: list[str]) -> None:
    query, key, value = heads()
    with fast_kernels(CPU):
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=blocks())
    found[0, :, :5].sum().backward()
    assert taken == ["_attend"]
    for each in (key, value):
        assert each.grad is not None
        assert each.grad[0, :, 5:].abs().max() == 0
        assert each.grad[1].abs().max() == 0
    assert value.grad is not None
    assert float(value.grad[0, :, :5].abs().min()) > 0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"attn_mask": torch.zeros(ROWS, 1, LENGTH, LENGTH)},
        {"attn_mask": blocks(), "dropout_p": 0.5},
        {"is_causal": True},
        {"attn_mask": blocks(), "enable_gqa": True},
    ],
    ids=["no mask", "a mask that is added", "dropout", "causal", "shared heads"],
)
def test_other_attention_is_left_to_torch(taken: list[str], given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    expected = functional.scaled_dot_product_attention(*heads(), **given)
    torch.manual_seed(0)
    with fast_kernels(CPU):
        found = functional.scaled_dot_product_attention(*heads(), **given)
    assert taken == []
    assert torch.equal(found, expected)


def test_attention_without_a_backward_is_left_to_torch(taken: list[str]) -> None:
    with torch.no_grad(), fast_kernels(CPU):
        functional.scaled_dot_product_attention(*heads(), attn_mask=blocks())
    with torch.inference_mode(), fast_kernels(CPU):
        functional.scaled_dot_product_attention(*heads(), attn_mask=blocks())
    assert taken == []


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 16), (3, 16), (2, 5, 16)])
def test_a_linear_layer_is_torchs(taken: list[str], shape: tuple[int, ...], biased: bool) -> None:
    layer = torch.nn.Linear(16, 10, bias=biased)
    expected = layer.double()(drawn(*shape).double())
    with torch.inference_mode(), fast_kernels(CPU):
        found = layer.float()(drawn(*shape))
    if kernels._onednn_linear is not None:
        assert taken == ["_linear"]
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_a_linear_layer_reads_a_tensor_as_it_is_seen(taken: list[str]) -> None:
    layer = torch.nn.Linear(16, 10)
    turned = drawn(16, 5).T
    with torch.no_grad(), fast_kernels(CPU):
        torch.testing.assert_close(layer(turned), layer(turned.contiguous()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("how", ["training", "autocast", "bfloat16", "nothing to compute"])
def test_other_linear_layers_are_left_to_torch(taken: list[str], how: str) -> None:
    layer, input = torch.nn.Linear(16, 10), drawn(0 if how == "nothing to compute" else 4, 16)
    if how == "bfloat16":
        layer, input = layer.bfloat16(), input.bfloat16()
    precision: Any = "bf16" if how == "autocast" else "fp32"
    with torch.set_grad_enabled(how == "training"), autocast(precision, CPU):
        expected = layer(input)
        with fast_kernels(CPU):
            found = layer(input)
    assert taken == []
    assert torch.equal(found, expected)
    assert found.requires_grad == (how == "training")


def test_elsewhere_torchs_own_choices_stand(taken: list[str]) -> None:
    with fast_kernels(torch.device("cuda")):  # what a block for a GPU does is seen on CPU tensors too
        functional.scaled_dot_product_attention(*heads(), attn_mask=blocks())
        with torch.no_grad():
            torch.nn.Linear(4, 4)(drawn(2, 4))
    assert taken == []


def test_the_block_ends(taken: list[str]) -> None:
    with fast_kernels(CPU):
        pass
    functional.scaled_dot_product_attention(*heads(), attn_mask=blocks())
    assert taken == []
