"""Examples: one a document as long as there are others, the same whatever order the candidates come in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.evaluate.spans import make_table
from nerkd_local.evidence.evaluated import Evaluated
from nerkd_local.evidence.examples import pick
from nerkd_local.records import from_words


def evaluated(*groups: int, words: int = 3) -> Evaluated:
    documents = [from_words(f"s{number}", [f"w{number}"] * words) for number in range(len(groups))]
    return Evaluated(10, documents, np.zeros(len(groups), np.int64), np.array(groups))


@given(st.permutations(range(5)), st.integers(1, 6))
def test_documents_take_turns(order: list[int], count: int) -> None:
    shown = evaluated(0, 0, 0, 1, 2)
    table = make_table([[(0, 1, "PER")]] * 5)
    examples = pick(shown, [(place,) for place in order], (table,), count)
    assert len(examples) == min(count, 5)
    groups = [int(shown.groups[int(example.id[1:])]) for example in examples]
    assert len(set(groups[:3])) == min(count, 3)
    assert examples == pick(shown, [(place,) for place in range(5)], (table,), count)


def test_each_side_is_shown_with_its_words_or_not_at_all() -> None:
    gold, found = make_table([[(0, 2, "PER")], [(1, 2, "ORG")]]), make_table([[(1, 3, "LOC")], []])
    pair, alone = pick(evaluated(0, 1), [(0, 0), (1, -1)], (gold, found), 2)
    if pair.id != "s0":
        pair, alone = alone, pair
    assert pair.mentions == (("w0 w0", "PER"), ("w0 w0", "LOC"))
    assert alone.mentions == (("w1", "ORG"), None)
    assert pair.text == "w0 w0 w0"


def test_a_long_sentence_is_cut_at_white_space_around_the_mention() -> None:
    shown = evaluated(0, words=200)
    (example,) = pick(shown, [(0,)], (make_table([[(100, 102, "PER")]]),), 1)
    assert example.text.startswith("… w0")
    assert example.text.endswith("w0 …")
    assert set(example.text.strip("… ").split(" ")) == {"w0"}
    assert len(example.text) < 140


def test_a_sentence_without_white_space_is_cut_at_the_mention() -> None:
    document = from_words("s0", ["漢" * 300])
    document = type(document)("s0", document.text, ((0, 100), (100, 102), (102, 300)))
    shown = Evaluated(10, [document], np.zeros(1, np.int64), np.zeros(1, np.int64))
    (example,) = pick(shown, [(0,)], (make_table([[(1, 2, "LOC")]]),), 1)
    assert example.text == "… 漢漢 …"


def test_no_candidates() -> None:
    assert pick(evaluated(0), [], (make_table([[]]),), 3) == []
