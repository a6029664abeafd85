"""On a CPU, faster ways to what a model asks torch for.

torch's own choices are good on a GPU and for long rows. Measured on one Zen 5 thread (torch 2.13) for rows of 175
tokens and a 384-wide encoder with 12 heads:

- attention with a mask in bfloat16, forward and backward: 9.1 ms by the flash kernel, nearly all of it backward; 1.7 ms
  by three plain steps, 1.3 ms with their backward written out. Training only: forward alone the kernel is as fast, and
  needs less memory.
- a linear layer in float32: 100 GFLOP/s by MKL, which leaves AVX-512 unused on AMD; 225 by oneDNN, which comes with
  torch too. Prediction only: the call has no backward.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_onednn_linear: Callable[..., torch.Tensor] | None = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def fast_kernels(device: torch.device) -> AbstractContextManager[Any]:
    """A block in which models compute as fast as is known here; results differ by rounding only."""
    return _FastKernels() if device.type == "cpu" else nullcontext()


class _FastKernels(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            attended = _attend(*args, **kwargs)
            return func(*args, **kwargs) if attended is None else attended
        if func is functional.linear and _suits_onednn(*args, **kwargs):
            return _linear(*args, **kwargs)
        return func(*args, **kwargs)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor | None:
    """Attention that is to be trained, without dropout or heads that are shared, under a mask of ours; else None."""
    if attn_mask is None or attn_mask.dtype != torch.bool or dropout_p or is_causal or enable_gqa:
        return None
    if not torch.is_grad_enabled():
        return None
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else query.dtype
    heads = (each.to(dtype) for each in (query, key, value))
    attended: torch.Tensor = _Attention.apply(*heads, attn_mask, scale)  # type: ignore[no-untyped-call]
    return attended


class _Attention(torch.autograd.Function):
    """Scores, shares, values; the backward written out.

    Of the tables as large as all pairs of tokens it keeps one, in the values' own precision, where torch keeps two or
    three: 70 MiB less for steps of some 180 tokens and six layers, and 2 % of a step less time.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> torch.Tensor:
        query, key, value, seen, scale = given
        scores = torch.matmul(query * scale, key.transpose(-2, -1))
        scores += torch.zeros(seen.shape, dtype=scores.dtype).masked_fill_(~seen, float("-inf"))
        shares = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
        ctx.save_for_backward(query, key, value, shares)
        ctx.scale = scale
        return torch.matmul(shares, value)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        query, key, value, shares = ctx.saved_tensors
        by_shares = torch.matmul(gradient, value.transpose(-2, -1))
        by_scores = torch._softmax_backward_data(by_shares, shares, -1, shares.dtype)
        by_query = torch.matmul(by_scores, key) * ctx.scale
        by_key = torch.matmul(by_scores.transpose(-2, -1), query) * ctx.scale
        return by_query, by_key, torch.matmul(shares.transpose(-2, -1), gradient), None, None


def _suits_onednn(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    """A float32 layer outside of autocast and training."""
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or _onednn_linear is None:
        return False
    return input.dtype == weight.dtype == torch.float32 and input.numel() > 0


def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    assert _onednn_linear is not None
    return _onednn_linear(input, weight, bias, "none", [], "")
