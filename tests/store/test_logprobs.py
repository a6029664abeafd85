"""What is kept of an answer's tokens is stored with it, checked when read, and absent from stores without it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.store.absorb import absorb
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.inspection import verify_store
from nerkd_local.store.rows import StoredAnswer

KEPT = '{"masked":false,"tokens":[["NONE",-0.1]],"end":-0.2}'


def answer(number: int, text: str = "NONE", copy_of: int | None = None) -> StoredAnswer:
    return StoredAnswer(number, f"s:{number}", 11, text, "stop", 3, 1, copy_of)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with an answer whose tokens are kept, one without, and a copy of the first."""
    with AnswerStore(tmp_path / "a.sqlite") as store:
        run = store.open_run({})
        store.add(run, answer(0), answer(2, copy_of=0), logprobs={0: KEPT})
        store.add(run, answer(1))
    return tmp_path / "a.sqlite"


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()


def test_a_copy_shares_its_originals(path: Path) -> None:
    with AnswerStore(path, read_only=True) as store:
        assert [store.logprobs(1, row) for row in store.answers(1)] == [KEPT, None, KEPT]
    assert verify_store(path).problems == []


def test_reading_one_answer_commits_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnswerStore, "GROUP_SECONDS", 1e9)
    with AnswerStore(tmp_path / "a.sqlite") as store:
        run = store.open_run({})
        store.add(run, answer(0), logprobs={0: KEPT})
        assert store.answer(run, 0) == answer(0)
        assert store.logprobs(run, answer(0)) == KEPT
        with AnswerStore(tmp_path / "a.sqlite", read_only=True) as other:
            assert other.answer(run, 0) is None
    with AnswerStore(tmp_path / "a.sqlite", read_only=True) as other:
        assert other.answer(run, 0) == answer(0)


def test_a_store_without_any_has_the_same_tables_as_before(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.sqlite") as store:
        run = store.open_run({})
        store.add(run, answer(0))
        assert store.logprobs(run, answer(0)) is None
    database = sqlite3.connect(tmp_path / "a.sqlite")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert tables == ["runs", "answers"]
    assert database.execute("PRAGMA user_version").fetchone() == (2,)
    database.close()
    assert verify_store(tmp_path / "a.sqlite").problems == []


def test_a_store_without_any_takes_them_later(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.sqlite") as store:
        store.add(store.open_run({"a": 1}), answer(0))
    with AnswerStore(tmp_path / "a.sqlite") as store:
        run = store.open_run({"a": 2})
        store.add(run, answer(0), logprobs={0: KEPT})
        assert store.logprobs(run, answer(0)) == KEPT
        assert store.logprobs(run - 1, answer(0)) is None


def test_an_answer_stored_stays_without_anothers(path: Path) -> None:
    with AnswerStore(path) as store:
        store.add(1, answer(1, "PER\tAnn"), logprobs={1: KEPT})
        store.add(1, answer(0), logprobs={0: KEPT.replace("0.1", "0.9")})
        assert store.logprobs(1, answer(1)) is None
        assert store.logprobs(1, answer(0)) == KEPT


def test_absorbing_takes_them_over(path: Path, tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "b.sqlite") as store, AnswerStore(path, read_only=True) as other:
        store.open_run({"another": "run"})
        run = store.open_run({})
        store.add(run, answer(1, "PER\tAnn"))
        absorb(store, other)
        assert [store.logprobs(run, row) for row in store.answers(run)] == [KEPT, None, KEPT]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE token_logprobs SET value = replace(value, '-0.1', '-0.2')", "are damaged (checksum)"),
        ("UPDATE token_logprobs SET crc32 = crc32 + 1", "are damaged (checksum)"),
        ("UPDATE token_logprobs SET sentence_no = 7", "are of no answer"),
    ],
)
def test_damage_is_named(path: Path, damage: str, problem: str) -> None:
    change(path, damage)
    found = verify_store(path).problems
    assert problem in found[0]
    assert f"the log-probabilities of sentence {7 if 'no answer' in problem else 0} " in found[0]


def test_damage_ends_the_reading(path: Path) -> None:
    change(path, "UPDATE token_logprobs SET value = 'x'")
    with (
        AnswerStore(path, read_only=True) as store,
        pytest.raises(InputError, match="log-probabilities of sentence 's:2'"),
    ):
        store.logprobs(1, answer(2, copy_of=0))


KILLED = """
import os, signal, sys
from pathlib import Path
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer
AnswerStore.GROUP_SIZE, AnswerStore.GROUP_SECONDS = 10, 1e9
store = AnswerStore(Path(sys.argv[1]))
run = store.open_run({})
for number in range(25):
    answer = StoredAnswer(number, str(number), 1, "NONE", "stop", 1, 1)
    store.add(run, answer, logprobs={number: "kept"})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_each_answer_has_its_own_or_neither_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -9
    with AnswerStore(path) as store:
        assert [store.logprobs(1, row) for row in store.answers(1)] == ["kept"] * 20
    assert verify_store(path).problems == []
