"""Digests separate what differs; orders drawn from them do not depend on company."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.fingerprints import digest, digest_folder, digest_json, hash_order

ids = st.lists(st.text(max_size=5), unique=True, max_size=20)


def test_fields_are_delimited() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")}) == 4


def test_a_digest_is_sha256_of_length_prefixed_fields() -> None:
    import hashlib

    assert digest("ab", 7) == hashlib.sha256(b"2:ab1:7").hexdigest()


def test_json_digests_ignore_key_order_only() -> None:
    assert digest_json({"a": 1, "b": [1, 2]}) == digest_json({"b": [1, 2], "a": 1})
    assert digest_json([1, 2]) != digest_json([2, 1])
    with pytest.raises(ValueError, match="JSON"):
        digest_json(float("nan"))


@given(ids, st.integers())
def test_an_order_is_a_permutation_that_ignores_the_given_order(ids: list[str], seed: int) -> None:
    order = hash_order(ids, seed)
    assert sorted(order) == sorted(ids)
    assert hash_order(ids[::-1], seed) == order


@given(ids, ids, st.integers())
def test_two_ids_keep_their_order_in_any_company(some: list[str], more: list[str], seed: int) -> None:
    both = hash_order({*some, *more}, seed)
    assert [id for id in both if id in set(some)] == hash_order(some, seed)


def test_folders_differ_by_names_and_content_but_not_by_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    first = digest_folder(tmp_path)
    (tmp_path / ".hidden").write_text("y")
    assert digest_folder(tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "b")
    second = digest_folder(tmp_path)
    (tmp_path / "b").write_text("z")
    assert len({first, second, digest_folder(tmp_path)}) == 3
