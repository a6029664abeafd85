from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.splits import nested_subsets, sample
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import hash_order

IDS = st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=30)


@given(IDS, st.data())
def test_subsets_are_prefixes_of_one_order_of_the_ids(ids: list[str], data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, len(ids)), max_size=4))
    order = hash_order(ids, "subset", 7)
    assert nested_subsets(iter(ids), sizes, 7) == {size: tuple(order[:size]) for size in sizes}


@given(IDS, st.data())
def test_file_order_does_not_matter(ids: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(ids))
    assert sample(ids, len(ids) // 2, 7) == sample(shuffled, len(ids) // 2, 7)


def test_membership_is_fixed_for_all_time() -> None:
    assert sample(map(str, range(1000)), 3, 0) == ("662", "42", "401")


def test_seeds_draw_differently() -> None:
    ids = [str(number) for number in range(1000)]
    assert set(sample(ids, 100, 0)) != set(sample(ids, 100, 1))


def test_every_id_is_about_equally_likely() -> None:
    ids = [str(number) for number in range(10)]
    drawn = [id for seed in range(1000) for id in sample(ids, 3, seed)]
    assert all(240 < drawn.count(id) < 360 for id in ids)  # 300 expected, standard deviation 14.5


def test_too_few_ids_are_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(InputError, match="a subset of 3 sentences is asked for, but there are 2"):
        nested_subsets(["a", "b"], [1, 3], 0)
    with pytest.raises(InputError, match="a subset of -1 sentences"):
        sample(["a"], -1, 0)


def test_a_repeated_id_is_an_error_wherever_the_cut_falls() -> None:
    first = sample(["a", "b", "c"], 3, 0)[0]
    with pytest.raises(InputError, match=f"the id '{first}' occurs more than once"):
        sample(["a", "b", "c", first], 1, 0)
