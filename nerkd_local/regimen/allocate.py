"""From shares to whole examples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_GRID_BITS = 40


def allocate_counts(shares: npt.NDArray[np.float64], batch_size: int) -> npt.NDArray[np.int64]:
    """How many of each batch's `batch_size` examples are distilled, so that no rounding error ever adds up.

    Error diffusion: with C(s) the sum of batch_size * shares before step s, step s gets
    floor(C(s+1) + 1/2) - floor(C(s) + 1/2). So 0 <= n <= batch_size in every step, and after any number of
    steps the total is within 1/2 of what the shares ask for. Independent draws would instead scatter by about
    the root of S * batch_size * w * (1 - w).

    The sums are exact: shares are first put on a grid of 2^-40, which also keeps a last-bit difference
    between two machines' cosines from moving an example. The grid shifts C by at most S * batch_size * 2^-41.

    Shape of `shares` and of the result: (S,). Raises ValueError for shares outside [0, 1] or a batch_size
    below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; at least 1 is needed")
    if shares.ndim != 1 or not bool(np.all((shares >= 0.0) & (shares <= 1.0))):
        raise ValueError("shares must be a vector of numbers in [0, 1]")
    half = 1 << (_GRID_BITS - 1)
    total = given = 0
    counts = np.empty(len(shares), dtype=np.int64)
    # Python integers: S * batch_size * 2^40 does not fit 64 bits for long runs
    for step, share in enumerate(np.rint(np.ldexp(shares, _GRID_BITS)).astype(np.int64).tolist()):
        total += batch_size * share
        target = (total + half) >> _GRID_BITS
        counts[step] = target - given
        given = target
    return counts
