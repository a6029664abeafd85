from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.splits import balanced_subsets, nested_subsets, sample
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


@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(0, 5))
def test_balanced_subsets_nest_and_have_of_every_group_its_share(counts: list[int], seed: int) -> None:
    groups = {f"g{number}": [f"{number}/{each}" for each in range(count)] for number, count in enumerate(counts)}
    total = sum(counts)
    subsets = balanced_subsets(groups, range(total + 1), seed)
    assert list(subsets) == list(range(total + 1))
    for size, members in subsets.items():
        assert len(members) == size
        assert size == 0 or subsets[size - 1] < members
        for name, ids in groups.items():
            here = len(members.intersection(ids))
            # Sainte-Lague leaves quota seldom, and then by less than one more
            assert abs(here - size * len(ids) / max(total, 1)) < 2
            assert members.intersection(ids) == set(sample(groups[name], here, seed))


def test_balanced_subsets_by_hand() -> None:
    # places of a: 1/4, 3/4, 5/4, 7/4; of b: 1/2, 3/2
    groups = {"a": ["a1", "a2", "a3", "a4"], "b": ["b1", "b2"]}
    shares = [sum(id[0] == "a" for id in members) for members in balanced_subsets(groups, range(7), 0).values()]
    assert shares == [0, 1, 1, 2, 3, 3, 4]
    # of equals the first group's comes first, whatever the ids
    assert [balanced_subsets({"b": ["y"], "a": ["x"]}, [1], seed)[1] for seed in range(4)] == [{"y"}] * 4


def test_more_than_all_groups_hold_is_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(InputError, match="a subset of 4 sentences is asked for, but there are 3"):
        balanced_subsets({"a": ["x", "y"], "b": ["z"]}, [2, 4], 0)
