"""One store into another: nothing lost, nothing twice, nothing replaced."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.store.absorb import absorb
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer, Work


def answer(number: int, text: str) -> StoredAnswer:
    return StoredAnswer(number, f"s:{number}", number * 7, text, "stop", 3, 1)


@given(mine=st.sets(st.integers(0, 30)), theirs=st.sets(st.integers(0, 30)))
def test_the_union_with_own_answers_kept(
    tmp_path_factory: pytest.TempPathFactory, mine: set[int], theirs: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    with AnswerStore(folder / "a.sqlite") as one, AnswerStore(folder / "b.sqlite") as other:
        run, same = one.open_run({"x": 1}), other.open_run({"x": 1})
        one.add(run, *(answer(number, "mine") for number in sorted(mine)))
        other.add(same, *(answer(number, "theirs") for number in sorted(theirs)))
        for _ in range(2):  # a second time changes nothing
            absorb(one, other)
            stored = {row.sentence_no: row.answer for row in one.answers(run)}
            assert stored == {**dict.fromkeys(theirs, "theirs"), **dict.fromkeys(mine, "mine")}


def test_runs_are_matched_by_what_they_are_and_keep_what_they_are_about(tmp_path: Path) -> None:
    work = Work("a" * 64, 5, 2, 4)
    with AnswerStore(tmp_path / "a.sqlite") as one, AnswerStore(tmp_path / "b.sqlite") as other:
        other.open_run({"x": 2})
        run = other.open_run({"x": 1})
        other.set_work(run, work)
        other.add(run, answer(3, "theirs"))
        mine = one.open_run({"x": 1})
        assert mine != run
        assert absorb(one, other) == 1
        assert list(one.answers(mine)) == [answer(3, "theirs")]
        assert one.work(mine) == work
        assert len(one.runs()) == 2


def test_a_damaged_row_is_not_taken(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "b.sqlite") as other:
        other.add(other.open_run({}), answer(3, "theirs"))
    with sqlite3.connect(tmp_path / "b.sqlite") as database:
        database.execute("UPDATE answers SET text_key = 0")
    database.close()
    with AnswerStore(tmp_path / "a.sqlite") as one, AnswerStore(tmp_path / "b.sqlite", read_only=True) as other:
        with pytest.raises(InputError, match=r"b\.sqlite: the stored answer of sentence 's:3' is damaged"):
            absorb(one, other)
        assert one.count(one.open_run({})) == 0
