"""The store keeps what was committed, in order, and says so when something is wrong with it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer


def answer(number: int, text: str = "NONE") -> StoredAnswer:
    return StoredAnswer(number, f"s:{number}", 11, text, "stop", 3, 1)


def test_answers_come_back_in_corpus_order_whatever_the_order_of_arrival(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.sqlite") as store:
        run = store.open_run({"x": 1})
        for number in (5, 0, 9, 3):
            store.add(run, answer(number, f"PER\tÄnn{number}"))
    with AnswerStore(tmp_path / "a.sqlite") as store:
        assert store.open_run({"x": 1}) == run
        assert list(store.answers(run)) == [answer(n, f"PER\tÄnn{n}") for n in (0, 3, 5, 9)]


def test_more_answers_than_a_piece_are_read_without_gap_or_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnswerStore, "PIECE", 7)
    for count in (0, 6, 7, 8, 14, 50):
        with AnswerStore(tmp_path / f"{count}.sqlite") as store:
            run = store.open_run({})
            for number in range(count):
                store.add(run, answer(number))
            assert [row.sentence_no for row in store.answers(run)] == list(range(count))


def test_an_answer_stored_is_not_replaced(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.sqlite") as store:
        run = store.open_run({})
        store.add(run, answer(1, "first"))
        store.add(run, answer(1, "second"))
        assert [row.answer for row in store.answers(run)] == ["first"]


def test_a_run_is_its_settings(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.sqlite") as store:
        assert store.open_run({"a": 1, "b": 2}) == store.open_run({"b": 2, "a": 1})
        assert store.open_run({"a": 1}) != store.open_run({"a": 2})


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.sqlite"), pytest.raises(InputError, match="another process is annotating"):
        AnswerStore(tmp_path / "a.sqlite")
    AnswerStore(tmp_path / "a.sqlite").__exit__(None, None, None)


def test_a_flipped_bit_is_reported_with_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with AnswerStore(path) as store:
        run = store.open_run({})
        for number in range(3):
            store.add(run, answer(number))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE answers SET answer = 'NONF' WHERE sentence_no = 1")
    database.close()
    with AnswerStore(path) as store, pytest.raises(InputError, match=r"sentence 's:1' is damaged"):
        list(store.answers(run))


@pytest.mark.parametrize("content", [b"not a database, but long enough to look at" * 9, b"PK\x03\x04" * 300])
def test_another_kind_of_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be used as a store"):
        AnswerStore(path)
    assert path.read_bytes() == content


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(InputError, match="version 99"):
        AnswerStore(path)


_KILLED = """
import os, signal, sys
from pathlib import Path
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer
store = AnswerStore(Path(sys.argv[1]))
run = store.open_run({})
for number in range(1000):
    store.add(run, StoredAnswer(number, f"s:{number}", 11, "NONE", "stop", 3, 1))
    if number == 700:
        store.commit()
    if number == 800:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    process = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert process.returncode == -9
    with AnswerStore(path) as store:
        kept = [row.sentence_no for row in store.answers(store.open_run({}))]
    assert kept[:701] == list(range(701))
    assert kept == list(range(len(kept)))


def test_a_store_that_is_only_opened_and_sealed_again_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    for _ in range(2):
        with AnswerStore(path) as store:
            run = store.open_run({"x": 1})
            store.add(run, answer(0))
            store.seal()
        content = path.read_bytes()
        assert not path.with_name("a.sqlite-wal").exists()
    with AnswerStore(path) as store:
        assert store.open_run({"x": 1}) == run
        store.seal()
    assert path.read_bytes() == content


def test_sealing_does_not_mind_a_reader_that_is_connected(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with AnswerStore(path) as store:
        store.add(store.open_run({}), answer(0))
        store.commit()
        reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        assert reader.execute("SELECT count(*) FROM answers").fetchone() == (1,)
        store.seal()
        (copy := tmp_path / "copy.sqlite").write_bytes(path.read_bytes())
        reader.close()
    with AnswerStore(copy) as other:
        assert other.count(1) == 1
