"""The order of a source: complete passes, fixed by seed and source alone."""

from hashlib import sha256
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.regimen.mixture import read_source

id_sets = st.sets(st.text(max_size=6), min_size=1, max_size=20).map(sorted)


def take(ids, count, source="original", seed=0):
    return list(islice(read_source(ids, source, seed), count))


@given(id_sets, st.integers(0, 5), st.integers(1, 4))
def test_each_pass_reads_every_id_once(ids, seed, passes):
    stream = take(ids, passes * len(ids), seed=seed)
    for number in range(passes):
        assert sorted(stream[number * len(ids) : (number + 1) * len(ids)]) == ids


@given(id_sets, st.data())
def test_the_order_the_ids_come_in_does_not_matter(ids, data):
    assert take(ids, 50) == take(data.draw(st.permutations(ids)), 50)


@given(id_sets, st.data())
def test_a_subsets_first_pass_is_the_larger_sets_with_the_others_left_out(ids, data):
    subset = sorted(data.draw(st.sets(st.sampled_from(ids))))
    assert take(subset, len(subset)) == [id for id in take(ids, len(ids)) if id in subset]


def test_the_first_pass_is_sorted_by_a_hash_anyone_can_recompute():
    def key(id):
        fields = ["7", "distilled", "0", id]
        return sha256("".join(f"{len(field)}:{field}" for field in fields).encode()).digest()

    ids = [f"s{n}" for n in range(50)]
    assert take(ids, 50, "distilled", 7) == sorted(ids, key=key)


def test_seeds_sources_and_passes_have_orders_of_their_own():
    ids = [f"s{n}" for n in range(50)]
    orders = [take(ids, 50), take(ids, 50, seed=1), take(ids, 50, "distilled"), take(ids, 100)[50:]]
    assert len({tuple(order) for order in orders}) == 4


def test_an_empty_source_is_an_empty_stream():
    assert take([], 5) == []


def test_repeated_ids_are_refused_by_name():
    with pytest.raises(InputError, match=r"'b' occurs twice in the distilled source"):
        read_source(["a", "b", "b"], "distilled", 0)
