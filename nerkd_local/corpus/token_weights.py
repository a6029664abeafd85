"""How much each token of a distilled document counts in training, as its `meta` says (see `records.TOKEN_WEIGHTS`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nerkd_local.errors import InputError
from nerkd_local.records import TOKEN_WEIGHTS, Document


def token_weights(document: Document, path: Path | None = None) -> NDArray[np.float32]:
    """One number from 0 on for each token, 1 where the document says nothing. Shape: (tokens,).

    Raises InputError, with `path`, where it says anything else.
    """
    if TOKEN_WEIGHTS not in document.meta:
        return np.ones(len(document.tokens), np.float32)
    try:
        weights = np.array(document.meta[TOKEN_WEIGHTS], np.float32)
    except (TypeError, ValueError):
        weights = np.array(np.nan, np.float32)
    if weights.shape != (len(document.tokens),) or not (np.isfinite(weights) & (weights >= 0)).all():
        problem = f"example {document.id!r}: {TOKEN_WEIGHTS} needs one number from 0 on for each of its tokens"
        raise InputError(problem, path=path)
    return weights
