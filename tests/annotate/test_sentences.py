"""Sentences by number, from memory or from a file with its index: the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.sentences import SentenceFile, SentenceList
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_file, text_key
from nerkd_local.records import Document

TEXTS = ["Ann left", "Zoë aß Crème brûlée", "日本語 😀 e\u0301", "", "Ann left", "line\u2028separator\u0085here"]


def documents(texts: list[str]) -> list[Document]:
    return [Document(f"d:{n}", text, ((0, len(text)),) if text else (), (), {"n": n}) for n, text in enumerate(texts)]


def same(path: Path, index: Path, expected: list[Document]) -> None:
    in_memory = SentenceList(expected)
    with SentenceFile(path, index) as from_file:
        assert len(from_file) == len(in_memory) == len(expected)
        assert [from_file[n] for n in range(len(expected))] == expected
        assert [in_memory[n] for n in range(len(expected))] == expected
        assert list(from_file) == list(in_memory) == expected
        assert from_file.keys.tolist() == in_memory.keys.tolist() == [text_key(d.text) for d in expected]
        assert from_file.sha256 == digest_file(path)


def test_file_and_list_agree(tmp_path: Path) -> None:
    write_documents(tmp_path / "c.jsonl", documents(TEXTS))
    same(tmp_path / "c.jsonl", tmp_path / "index", documents(TEXTS))


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=8))
def test_file_and_list_agree_whatever_the_texts(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("sentences")
    write_documents(folder / "c.jsonl", documents(texts))
    same(folder / "c.jsonl", folder / "index", documents(texts))


def test_blank_lines_and_a_missing_last_line_break_shift_nothing(tmp_path: Path) -> None:
    first, second, third = (
        json.dumps({"id": d.id, "text": d.text, "tokens": list(d.tokens), "meta": d.meta}, ensure_ascii=False)
        for d in documents(TEXTS[:3])
    )
    (tmp_path / "c.jsonl").write_bytes(f"\n{first}\n \t\n\r\n{second}\r\n\n{third}".encode())
    same(tmp_path / "c.jsonl", tmp_path / "index", documents(TEXTS[:3]))


def test_the_index_is_read_again_and_made_again_when_the_file_changes(tmp_path: Path) -> None:
    path, index = tmp_path / "c.jsonl", tmp_path / "index"
    write_documents(path, documents(TEXTS))
    same(path, index, documents(TEXTS))
    table = (index / "index.npy").stat()
    same(path, index, documents(TEXTS))
    assert (index / "index.npy").stat().st_mtime_ns == table.st_mtime_ns
    changed = ["Bob left", *TEXTS[1:], "one more"]
    write_documents(path, documents(changed))
    same(path, index, documents(changed))


@pytest.mark.parametrize("lost", ["index.npy", "index.json"])
def test_half_an_index_is_made_again(tmp_path: Path, lost: str) -> None:
    write_documents(tmp_path / "c.jsonl", documents(TEXTS))
    same(tmp_path / "c.jsonl", tmp_path / "index", documents(TEXTS))
    (tmp_path / "index" / lost).unlink()
    same(tmp_path / "c.jsonl", tmp_path / "index", documents(TEXTS))


def test_a_file_that_is_no_corpus_leaves_no_index(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    write_documents(path, documents(TEXTS))
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(InputError, match=r"c\.jsonl:7: the key 'id' is missing"):
        SentenceFile(path, tmp_path / "index")
    assert not (tmp_path / "index" / "index.json").exists()


def test_an_empty_file_has_no_sentences(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text("")
    same(tmp_path / "c.jsonl", tmp_path / "index", [])
