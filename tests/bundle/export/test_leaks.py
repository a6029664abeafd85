"""What must not go out is found wherever it stands, however it is written; and what is harmless is let through."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from nerkd_local.bundle.export.leaks import SHORTEST, Looked, check_no_place, check_no_sentence
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import CheckFailed
from nerkd_local.records import from_words

SENTENCE = 'Émile said: "Fifteen & more <of us> left\tZelitron in 1998."'
WORDS = ["It", "was", "a", "quiet", "day", "in", "Karobridge", "and", "nobody", "left", "."]
CHINESE = "中国国家主席在北京会见了来自世界各地的企业家代表并发表重要讲话和合影留念"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus" / "evaluation.jsonl"
    documents = [from_words("1", ["Short", "one", "."]), from_words("2", WORDS), from_words("3", [SENTENCE])]
    write_documents(path, [*documents, from_words("4", [CHINESE]), from_words("5", WORDS)])
    return path


def found(tmp_path: Path, corpus: Path, content: bytes, name: str = "page.html") -> str | None:
    path = tmp_path / name
    path.write_bytes(content)
    try:
        check_no_sentence({name: path}, [corpus])
    except CheckFailed as error:
        return str(error)
    return None


def packed(text: str) -> bytes:
    return b"<script>" + base64.b64encode(gzip.compress(text.encode())) + b"</script>"


@pytest.mark.parametrize(
    "written",
    [
        SENTENCE.encode(),
        html.escape(SENTENCE).encode(),
        json.dumps({"text": SENTENCE}, ensure_ascii=False).encode(),
        f"a table, {SENTENCE.upper()}, of things".encode(),
        " \\& ".join(SENTENCE.split()).encode(),
        packed(json.dumps([SENTENCE], ensure_ascii=False)),
        b"src=" + base64.b64encode(SENTENCE.encode() * 2),
        "-".join(WORDS).encode(),
        CHINESE.encode(),
        "\n".join(CHINESE).encode(),
    ],
)
def test_a_sentence_is_found_however_it_is_written(tmp_path: Path, corpus: Path, written: bytes) -> None:
    said = found(tmp_path, corpus, b"before " + written + b" after")
    assert said is not None
    assert "page.html: holds sentence " in said
    assert "of corpus/evaluation.jsonl" in said
    assert "Karobridge" not in said
    assert "Zelitron" not in said


@pytest.mark.parametrize(
    "text", ["Fish &amp; chips are sold at the harbour", r"Save it in C:\news\tables, not elsewhere"]
)
def test_a_sentence_that_looks_like_an_escape_is_found_too(tmp_path: Path, text: str) -> None:
    write_documents(tmp_path / "c.jsonl", [from_words("1", text.split())])
    for written in (text, json.dumps(text), html.escape(text)):
        (tmp_path / "page.txt").write_text(written)
        with pytest.raises(CheckFailed):
            check_no_sentence({"page.txt": tmp_path / "page.txt"}, [tmp_path / "c.jsonl"])


def test_a_sentence_is_found_where_json_has_none_but_ascii_letters(tmp_path: Path, corpus: Path) -> None:
    assert found(tmp_path, corpus, json.dumps({"text": CHINESE}).encode()) is not None
    assert found(tmp_path, corpus, json.dumps({"text": SENTENCE}).encode()) is not None


def test_weights_are_looked_into_as_far_as_they_have_words(tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros(2)}, path, metadata={"format": "pt"})
    check_no_sentence({path.name: path}, [corpus])
    save_file({"weight": np.zeros(2)}, path, metadata={"note": " ".join(WORDS)})
    with pytest.raises(CheckFailed, match="sentence 2 of"):
        check_no_sentence({path.name: path}, [corpus])
    path.write_bytes(b"\xff" * 7)
    check_no_sentence({path.name: path}, [corpus])


@pytest.mark.parametrize("where", ["id", "document"])
def test_an_id_that_is_words_is_found_and_one_that_is_a_digest_is_not_looked_for(tmp_path: Path, where: str) -> None:
    page, corpus = tmp_path / "page.html", tmp_path / "corpus" / "train.jsonl"
    words, digest = "Letter of Anna Zelitron to the ward, 1998", "abcdef0123456789" * 4
    page.write_text(f"<li>news/{words.replace(' ', '_').lower()}.txt:12</li><li>{digest}</li>")
    for name, telling in ((words, True), (digest, False), ("news:12", False)):
        document = from_words(name if where == "id" else "1", ["Short", "."])
        write_documents(corpus, [replace(document, meta={"document": name if where == "document" else 1})])
        if telling:
            with pytest.raises(CheckFailed, match=r"an id of sentence 1 of corpus/train\.jsonl") as caught:
                check_no_sentence({"page.html": page}, [corpus])
            assert "Zelitron" not in str(caught.value)
        else:
            check_no_sentence({"page.html": page}, [corpus])


@pytest.mark.parametrize("dtype", [np.str_, np.bytes_])
def test_a_sentence_is_found_in_arrays(tmp_path: Path, corpus: Path, dtype: type[np.generic]) -> None:
    path = tmp_path / "kept.npz"
    np.savez_compressed(path, numbers=np.arange(9))
    check_no_sentence({"kept.npz": path}, [corpus])
    np.savez_compressed(path, numbers=np.arange(9), words=np.array([" ".join(WORDS), "x"], dtype))
    with pytest.raises(CheckFailed, match="sentence 2 of"):
        check_no_sentence({"kept.npz": path}, [corpus])


def test_what_is_not_looked_for(tmp_path: Path, corpus: Path) -> None:
    assert found(tmp_path, corpus, b"Short one.") is None
    assert found(tmp_path, corpus, " ".join(WORDS[:-3]).encode()) is None
    assert found(tmp_path, corpus, " ".join(WORDS).encode(), "tokenizer.json") is None
    assert found(tmp_path, corpus, base64.b64encode(gzip.compress(b"x" * 500))[:80] + b"====", "odd.html") is None


def test_how_many_were_looked_for(tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("nothing of anybody")
    assert check_no_sentence({"page.html": path}, [corpus, corpus]) == Looked(3, 1)
    assert check_no_sentence({"page.html": path}, []) == Looked(0, 0)


@given(st.text(max_size=60), st.text(min_size=1, max_size=60), st.text(max_size=60))
def test_whatever_stands_around_it(
    tmp_path_factory: pytest.TempPathFactory, before: str, text: str, after: str
) -> None:
    folder = tmp_path_factory.mktemp("around")
    sentence = text + "abcdefghijklmnopqrstuvwxyz"
    write_documents(folder / "c.jsonl", [from_words("1", [sentence])])
    (folder / "page.txt").write_bytes(f"{before}|{sentence}|{after}".encode())
    with pytest.raises(CheckFailed):
        check_no_sentence({"page.txt": folder / "page.txt"}, [folder / "c.jsonl"])


def test_letters_alone_count_towards_the_length(tmp_path: Path) -> None:
    write_documents(tmp_path / "c.jsonl", [from_words("1", ["a" * (SHORTEST - 1), "." * 50])])
    page = tmp_path / "page.txt"
    page.write_text("a" * 100)
    assert check_no_sentence({"page.txt": page}, [tmp_path / "c.jsonl"]) == Looked(0, 1)


def test_places_of_this_machine(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<p>made in {tmp_path}/run, on /data, by models/demo</p>")
    check_no_place({"page.html": page}, [Path("models/demo"), Path("/data"), Path("/nowhere/else")])
    with pytest.raises(CheckFailed, match=r"page\.html: names .*a place of this machine; nothing was written"):
        check_no_place({"page.html": page}, [Path("/nowhere/else"), tmp_path / "run"])


@pytest.mark.parametrize("write", [str, html.escape, json.dumps])
@pytest.mark.parametrize("name", ["page.html", "tokenizer.json"])
def test_places_are_found_however_they_are_written(tmp_path: Path, name: str, write: Callable[[str], str]) -> None:
    place = tmp_path / "R&D" / "Übung"
    (tmp_path / name).write_text(f"in {write(str(place))}")
    with pytest.raises(CheckFailed, match="a place of this machine"):
        check_no_place({name: tmp_path / name}, [place])
