"""What is in a store, and everything that is wrong with it, not only the first."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.inspection import STORE, describe_store, find_stores, summarise, verify_store
from nerkd_local.store.rows import StoredAnswer, Work
from nerkd_local.store.seal import seal_folder


def answer(number: int, reason: str = "stop", copy_of: int | None = None) -> StoredAnswer:
    tokens = (0, 0) if copy_of is not None else (10, 2)
    return StoredAnswer(number, f"s:{number}", 11, f"PER\tZoë{number}", reason, *tokens, copy_of)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sealed store of two runs."""
    path = tmp_path / STORE
    with AnswerStore(path) as store:
        first = store.open_run({"engine": {"kind": "replay"}, "prompt": "standard.v1", "labels": ["PER"]})
        store.set_work(first, Work("a" * 64, 50, 2, 4))
        store.add(first, *(answer(number) for number in range(40)), answer(40, "length"), answer(41, copy_of=3))
        second = store.open_run({"engine": {"kind": "\x1b[31mred"}})
        store.add(second, answer(7))
        store.seal()
    seal_folder(tmp_path, [STORE])
    return path


def damage(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def test_the_runs_are_told_with_what_they_hold(path: Path) -> None:
    first, second = summarise(path)
    assert (first.answers, first.finished, first.copies) == (42, {"length": 1, "stop": 41}, 1)
    assert (first.prompt_tokens, first.output_tokens) == (410, 82)
    assert first.work == Work("a" * 64, 50, 2, 4)
    assert (second.answers, second.work) == (1, None)
    text = "\n".join(describe_store(path))
    assert f"{path}: {path.stat().st_size:,} bytes, sealed, on " in text
    assert "  corpus: 50 sentences, shard 2/4, SHA-256 aaaa" in text
    assert "  answers: 42 (1 length, 41 stop), 1 of them copies" in text
    assert "  corpus: not said" in text
    assert text.isprintable() is False  # its line breaks
    assert all(line.isprintable() for line in text.split("\n"))


def test_an_empty_store_and_one_that_is_being_written(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / STORE) as store:
        assert summarise(tmp_path / STORE) == []
        run = store.open_run({})
        store.add(run, answer(1))
        store.commit()
        (summary,) = summarise(tmp_path / STORE)
        assert summary.answers == 1
        assert "not sealed" in describe_store(tmp_path / STORE)[0]


def test_a_sound_store_has_no_problems(path: Path) -> None:
    found = verify_store(path)
    assert (found.rows, found.sealed, found.problems) == (43, 1, [])


def test_every_damaged_row_is_named(path: Path) -> None:
    damage(path, "UPDATE answers SET answer = 'NONE' WHERE sentence_no IN (3, 7)")
    damage(path, "UPDATE answers SET crc32 = crc32 + 1 WHERE sentence_no = 30")
    damage(path, "UPDATE answers SET answer = CAST(x'ff50' AS TEXT) WHERE sentence_no = 31")  # no UTF-8
    damage(path, "UPDATE answers SET sentence_id = CAST(x'1bff' AS TEXT) WHERE sentence_no = 32")
    found = verify_store(path)
    assert found.rows == 43
    sealed, *rows = found.problems
    assert sealed.startswith(f"{path}: is not the file that was sealed")
    names = ["3 (s:3)", "7 (s:7)", "30 (s:30)", "31 (s:31)", "32 (??)", "7 (s:7)"]
    assert rows == [f"{path}: the answer to sentence {name} is damaged (checksum)" for name in names]


def test_a_damaged_page_is_found_by_sqlite_itself(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 2 + 100 : 4096 * 3] = b"\xee" * (4096 - 100)
    path.write_bytes(content)
    found = verify_store(path)
    assert len(found.problems) >= 2
    assert all(problem.startswith(str(path)) and "\n" not in problem for problem in found.problems)


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to look at" * 9])
def test_what_is_no_store_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STORE).write_bytes(content)
    (problem,) = verify_store(tmp_path / STORE).problems
    assert problem.startswith(f"{tmp_path / STORE}: ")


def test_a_path_means_a_file_a_folder_or_the_shards_in_one(path: Path, tmp_path: Path) -> None:
    assert find_stores(path) == find_stores(tmp_path) == [path]
    shards = [tmp_path / f"shard-{number}-of-10" / STORE for number in (1, 2, 10)]
    for shard in shards:
        shard.parent.mkdir()
        shard.touch()
    assert find_stores(tmp_path) == [path, *shards]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no answers\.sqlite, nor shards"):
        find_stores(tmp_path / "empty")
    with pytest.raises(InputError, match=r"absent: no such file or folder"):
        find_stores(tmp_path / "absent")
