"""Windows that come back from the disk as they went there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerkd_local.student.encode import Window, encode
from nerkd_local.student.encoded import encode_cached
from tests.models import WORDS

sentences = st.lists(st.lists(st.sampled_from([*WORDS, "\u200b"]), max_size=60), max_size=6)


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_encoder, local_files_only=True)


def plain(windows: list[list[Window]]) -> list[list[list[list[int]]]]:
    return [
        [[array.tolist() for array in (each.input_ids, each.positions, each.words)] for each in cut] for cut in windows
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=sentences)
def test_what_is_read_is_what_was_made(tokenizer: Any, tmp_path: Path, texts: list[list[str]]) -> None:
    made = encode(tokenizer, texts, max_tokens=16, stride=4)
    for _ in range(2):
        got = encode_cached(tokenizer, "t", texts, max_tokens=16, stride=4, folder=tmp_path)
        assert plain(got) == plain(made)
        assert all(each.input_ids.dtype == each.words.dtype == np.int32 for cut in got for each in cut)


class Forbidden:
    """A tokenizer that must not be asked."""

    def __call__(self, *_: object, **__: object) -> None:
        raise AssertionError("tokenized again")


def test_the_same_is_not_tokenized_twice_and_anything_else_is(tokenizer: Any, tmp_path: Path) -> None:
    texts = [["anna", "lives"], ["in", "paris"]]
    first = encode_cached(tokenizer, "t", texts, max_tokens=16, stride=4, folder=tmp_path)
    again = encode_cached(Forbidden(), "t", texts, max_tokens=16, stride=4, folder=tmp_path)
    assert plain(again) == plain(first)
    for digest, other, tokens, stride in [
        ("u", texts, 16, 4),
        ("t", [["anna"], ["lives", "in", "paris"]], 16, 4),
        ("t", texts, 15, 4),
        ("t", texts, 16, 5),
    ]:
        encode_cached(tokenizer, digest, other, max_tokens=tokens, stride=stride, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", None])
def test_a_damaged_file_is_made_again(tokenizer: Any, tmp_path: Path, damage: bytes | None) -> None:
    texts = [["anna", "lives"], ["in", "paris"]]
    first = encode_cached(tokenizer, "t", texts, max_tokens=16, stride=4, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    assert plain(encode_cached(tokenizer, "t", texts, max_tokens=16, stride=4, folder=tmp_path)) == plain(first)
    assert plain(encode_cached(Forbidden(), "t", texts, max_tokens=16, stride=4, folder=tmp_path)) == plain(first)
