"""How much each token counts, as a document says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.corpus.token_weights import token_weights
from nerkd_local.errors import InputError
from nerkd_local.records import TOKEN_WEIGHTS, from_words


def test_every_token_counts_one_where_nothing_is_said() -> None:
    assert token_weights(from_words("a", ["Ann", "left"])).tolist() == [1, 1]
    assert token_weights(from_words("a", [])).tolist() == []
    assert token_weights(from_words("a", ["Ann", "left"], (), {TOKEN_WEIGHTS: [0.5, 2]})).tolist() == [0.5, 2]


@pytest.mark.parametrize("said", [None, 1, [1], [1, 1, 1], [1, -1], [1, "x"], [1, None], [[1], [1]], {"0": 1}, "11"])
def test_anything_else_is_named(said: Any) -> None:
    document = from_words("a", ["Ann", "left"], (), {TOKEN_WEIGHTS: said})
    with pytest.raises(InputError, match=r"labels.jsonl: example 'a': token_weights needs one number from 0 on"):
        token_weights(document, Path("labels.jsonl"))
