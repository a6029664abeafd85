"""How fast this machine multiplies matrices of the encoder's shapes, and how many multiplications a token needs.

python arithmetic.py ENCODER TOKENS      # rates of a layer's products, forward and backward, in GFLOP/s
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from children import report

_ROUNDS = 30


def shapes(encoder: Path) -> tuple[list[tuple[int, int]], int]:
    """The (in, out) of every weight matrix of a layer, and the number of layers."""
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    width, inner = config["hidden_size"], config["intermediate_size"]
    return [(width, width)] * 4 + [(width, inner), (inner, width)], config["num_hidden_layers"]


def training_flop(encoder: Path) -> float:
    """Operations that training takes for one token in the layers' weight matrices: forward, and twice that backward.

    Attention between tokens, norms and the head are left out: a share of the matmul rate from this is on the low side.
    """
    matrices, layers = shapes(encoder)
    return 3 * 2.0 * layers * sum(inputs * outputs for inputs, outputs in matrices)


def matmul_rate(encoder: Path, tokens: int, bf16: bool) -> float:
    """GFLOP/s of one layer's products for so many tokens, forward and backward, the fastest of some rounds."""
    import torch

    dtype = torch.bfloat16 if bf16 else torch.float32
    matrices, _ = shapes(encoder)
    operands = [
        (torch.randn(tokens, i, dtype=dtype), torch.randn(o, i, dtype=dtype), torch.randn(tokens, o, dtype=dtype))
        for i, o in matrices
    ]
    fastest = float("inf")
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            for inputs, weights, gradients in operands:
                torch.mm(inputs, weights.T)
                torch.mm(gradients, weights)
                torch.mm(gradients.T, inputs)
            fastest = min(fastest, time.perf_counter() - began)
    return 3 * 2e-9 * tokens * sum(i * o for i, o in matrices) / fastest


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    report(**{name: matmul_rate(folder, count, bf16) for name, bf16 in (("fp32", False), ("bf16", True))})
