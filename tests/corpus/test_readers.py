from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError


def read(path: Path, **settings: Any) -> list[str]:
    return [f"{document.id} {document.text}" for document in read_corpus(CorpusSettings(path=path, **settings))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "b.txt": b"Bee.",
        "a/2.txt": b"Two. Three.",
        "a/10.txt": b"\n \n",
        "a/1.TXT": b"\xff",
        "a-b.txt": b"caf\xe9",
        "README.TXT": b"\xff",
        "notes.md": b"\xff",
    }.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "texts"


def test_a_folder_is_its_txt_files_in_path_order(folder: Path) -> None:
    assert read(folder, encodings={"a-*": "latin-1"}) == [
        "a-b.txt:0 café",
        "a/2.txt:0 Two.",
        "a/2.txt:1 Three.",
        "b.txt:0 Bee.",
    ]


def test_a_file_in_another_encoding_is_named_with_its_place(folder: Path) -> None:
    with pytest.raises(InputError, match=r"a-b.txt:1: byte 0xe9 at offset 3 is not utf-8; declare"):
        read(folder)


def test_the_first_matching_pattern_gives_the_encoding(folder: Path) -> None:
    both = {"a-b.txt": "cp437", "*": "latin-1"}
    assert read(folder, encodings=both)[0] == "a-b.txt:0 cafΘ"
    assert read(folder, encodings=dict(reversed(both.items())))[0] == "a-b.txt:0 café"


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_name(folder: Path) -> None:
    with pytest.raises(InputError, match=r"names 'a_b.txt', which no \*.txt file matches .did you mean 'a-b.txt'"):
        read(folder, encodings={"a_b.txt": "latin-1"})


@pytest.mark.parametrize("extension", ["conll", "tsv", "bio", "iob"])
def test_column_extensions(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_text("in\tO\nRome\tB-LOC\n")
    assert read(path) == ["a:0 in Rome"]


def test_json_lines_and_text_extensions(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "in Rome"}\n')
    (tmp_path / "a.txt").write_text("in Rome")
    assert read(tmp_path / "a.jsonl") == ["a:0 in Rome"]
    assert read(tmp_path / "a.txt") == ["a.txt:0 in Rome"]


def test_a_declared_format_overrides_the_extension(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("in O\nRome B-LOC\n")
    assert read(path, format="conll") == ["a:0 in Rome"]
    assert read(path) == ["a.txt:0 in O", "a.txt:1 Rome B-LOC"]


def test_settings_reach_the_readers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("New\nYork é".encode("latin-1"))
    assert read(path, encoding="latin-1", wrapped=True) == ["a.txt:0 New\nYork é"]
    path = tmp_path / "a.conll"
    path.write_bytes("a B-X\n\né I-X\n".encode("latin-1"))
    assert read(path, encoding="latin-1", scheme="IOB1") == ["a:0 a", "a:1 é"]


@pytest.mark.parametrize(
    ("name", "content", "settings", "problem"),
    [
        ("none.conll", None, {}, "no such file; check the path"),
        ("a.csv", "x", {}, "the extension '.csv' does not say what this is; declare `format`"),
        ("a.conll", "", {}, "holds no sentence"),
        ("a.jsonl", "\n", {}, "holds no sentence"),
        ("a.txt", " \n", {}, "holds no sentence"),
        ("a.txt", "x", {"encodings": {"*": "latin-1"}}, "`encodings` is for folders"),
        ("a.conll", "x O", {"wrapped": True}, "`wrapped` is for text, and this is conll"),
        ("a.jsonl", '{"text": "x"}', {"encoding": "latin-1"}, "JSON lines are always UTF-8"),
        (".", None, {"format": "conll"}, "is a folder; format conll is read from a file"),
        (".", None, {}, r"holds no \*.txt file; check the path"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_path(
    tmp_path: Path, name: str, content: str | None, settings: dict[str, Any], problem: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"{problem}") as caught:
        read(path, **settings)
    assert caught.value.path == path


def test_a_folder_of_other_corpora_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("x O")
    with pytest.raises(InputError, match=r"it holds .conll files: give the path of one"):
        read(tmp_path)


def test_wrong_settings_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="unknown text encoding 'utf-9'"):
        CorpusSettings(path=tmp_path, encoding="utf-9")
    with pytest.raises(ValidationError, match="unknown text encoding 'hex'"):
        CorpusSettings(path=tmp_path, encodings={"*": "hex"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        CorpusSettings.model_validate({"path": tmp_path, "shceme": "IOB2"})


def test_the_one_news_article_in_another_encoding(shared: Path, tmp_path: Path) -> None:
    bbc = shared / "data" / "bbc"
    with pytest.raises(InputError, match=r"sport/199.txt:5: byte 0xa3 at offset 257 is not utf-8"):
        read(bbc / "sport")
    for topic in ("sport/198.txt", "sport/199.txt"):
        (tmp_path / topic).parent.mkdir(exist_ok=True)
        (tmp_path / topic).write_bytes((bbc / topic).read_bytes())
    found = read(tmp_path, encodings={"sport/199.txt": "latin-1"})
    assert "sport/199.txt:0 Chelsea sack Mutu" in found
    assert any("£15.8m" in line for line in found)
