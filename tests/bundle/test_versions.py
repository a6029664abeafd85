from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.versions import find_version, is_version, sequence_of
from nerkd_local.errors import InputError

KNOWN = ["000001-aaaaaaaaaaaa", "000002-bbbbbbbbbbbb", "000002-bbbbccccbbbb", "000012-aaaaaaaaaaaa"]


@pytest.mark.parametrize(
    ("given_name", "index"),
    [("1", 0), ("01", 0), ("000001", 0), ("12", 3), ("000002-bbbbb", 1), ("000012-aaaaaaaaaaaa", 3), ("000001-", 0)],
)
def test_a_version_is_found_by_name_sequence_or_beginning(given_name: str, index: int) -> None:
    assert find_version(given_name, KNOWN, "installed", Path("/root")) == KNOWN[index]


@pytest.mark.parametrize("given_name", ["2", "000002", "000002-bbbb", "0000", "", "3", "aaaa", "²", "../000001"])
def test_what_is_no_version_or_several_is_refused(given_name: str) -> None:
    with pytest.raises(InputError):
        find_version(given_name, KNOWN, "installed", Path("/root"))


@given(st.lists(st.tuples(st.integers(1, 999_999), st.integers(0, 2**48 - 1)), unique=True, min_size=1, max_size=8))
def test_every_version_is_found_by_its_whole_name(pairs: list[tuple[int, int]]) -> None:
    known = [f"{sequence:06}-{number:012x}" for sequence, number in pairs]
    for version, (sequence, _) in zip(known, pairs, strict=True):
        assert is_version(version)
        assert sequence_of(version) == sequence
        assert find_version(version, known, "installed", Path("/root")) == version


@given(st.text(max_size=25))
def test_nothing_but_a_known_version_is_ever_found(given_name: str) -> None:
    with contextlib.suppress(InputError):
        assert find_version(given_name, KNOWN, "installed", Path("/root")) in KNOWN
