from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.corpus.conll import read_conll, write_conll
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from tests.corpus.documents import CHARACTERS, documents

SAMPLE = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
-DOCSTART- O
Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER


BRUSSELS NNP B-NP B-LOC"""


def written(folder: Path, content: str | bytes, name: str = "a.conll") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_sentences_ids_documents_and_lines(tmp_path: Path) -> None:
    assert list(read_conll(written(tmp_path, SAMPLE))) == [
        Document("a:0", "EU rejects", ((0, 2), (3, 10)), (Span(0, 2, "ORG"),), {"document": "a#0", "line": 3}),
        Document("a:1", "Peter Blackburn", ((0, 5), (6, 15)), (Span(0, 15, "PER"),), {"document": "a#1", "line": 6}),
        Document("a:2", "BRUSSELS", ((0, 8),), (Span(0, 8, "LOC"),), {"document": "a#1", "line": 10}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        SAMPLE.replace("\n", "\r\n"),
        "\ufeff" + SAMPLE,
        SAMPLE.replace(" ", "\t"),
        SAMPLE.replace(" ", "  \t"),
        SAMPLE.replace("\n\n\n", "\n \t \n\n") + " \n\n\n",
    ],
    ids=["CRLF", "BOM", "tabs", "mixed separators", "white space in blank lines"],
)
def test_the_same_file_in_other_clothes_reads_the_same(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes(SAMPLE.encode())
    plain = list(read_conll(path))
    path.write_bytes(content.encode())
    assert list(read_conll(path)) == plain


def test_one_column_is_words_without_labels(tmp_path: Path) -> None:
    (document,) = read_conll(written(tmp_path, "Peter\nBlackburn\n"))
    assert document == from_words("a:0", ["Peter", "Blackburn"], meta={"document": "a#0", "line": 1})


def test_other_white_space_and_line_separators_belong_to_the_word(tmp_path: Path) -> None:
    (document,) = read_conll(written(tmp_path, "10\u00a0000\tO\na\u2028b\tO\nc\x85\tB-X\n\u3000\tO\n"))
    assert document.words == ["10\u00a0000", "a\u2028b", "c\x85", "\u3000"]
    assert spans_to_tags(document) == ["O", "O", "B-X", "O"]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("a O\nb\n", 2, "1 columns where the lines before have 2"),
        ("a O\n\nb X O\n", 3, "3 columns where the lines before have 2"),
        ("a O\n\tO\n", 2, "1 columns where"),
        ("1 2 3 4 O\n", 1, "5 columns; at most 4 are read"),
        ("a O\nb PER\n", 2, "'PER' is no IOB1, IOB2 or BIOES tag"),
        ("a B-X\n\nb B-Y\nc O\nd I-X\n", 5, "2 mentions begin with B- as in IOB2, 1 with I- as in IOB1"),
        ("a O\nb\0 O\n", 2, "holds a NUL character"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, content: str, line: int, problem: str) -> None:
    with pytest.raises(InputError, match=f"a.conll:{line}: .*{problem}"):
        list(read_conll(written(tmp_path, content)))


def test_an_orphan_is_refused_at_its_line_unless_the_scheme_is_iob1(tmp_path: Path) -> None:
    path = written(tmp_path, "a B-X\n\nb O\nc I-X\n")
    with pytest.raises(InputError, match=r"a.conll:4: 'I-X' continues no mention of X"):
        list(read_conll(path, scheme="IOB2"))
    assert [document.spans for document in read_conll(path, scheme="IOB1")] == [
        (Span(0, 1, "X"),),
        (Span(2, 3, "X"),),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [("a I-X\nb B-X\nc I-X\n", ["B-X", "B-X", "I-X"]), ("a B-X\nb E-X\nc S-X\n", ["B-X", "I-X", "B-X"])],
    ids=["IOB1", "BIOES"],
)
def test_other_schemes_are_found_and_normalised(tmp_path: Path, content: str, expected: list[str]) -> None:
    (document,) = read_conll(written(tmp_path, content))
    assert spans_to_tags(document) == expected


def test_invalid_bytes_are_named_and_a_declared_encoding_reads_them(tmp_path: Path) -> None:
    path = written(tmp_path, b"caf\xe9 O\n")
    with pytest.raises(InputError, match=r"a.conll:1: byte 0xe9 at offset 3 is not utf-8; declare"):
        list(read_conll(path))
    assert next(read_conll(path, encoding="latin-1")).words == ["café"]


def test_a_hundred_thousand_words_in_one_sentence_stay_one_sentence(tmp_path: Path) -> None:
    (document,) = read_conll(written(tmp_path, "w B-X\n" * 100_000))
    assert len(document.spans) == 100_000


def test_reading_with_a_declared_scheme_is_a_stream(tmp_path: Path) -> None:
    path = written(tmp_path, "a O\n\nb I-X\n")
    assert next(read_conll(path, scheme="IOB2")).words == ["a"]


# The characters that end a word or a line in the file are the only ones a word may not have.
COLUMN_WORDS = st.text(CHARACTERS.filter(lambda c: c not in " \t\n"), min_size=1, max_size=4)


@settings(deadline=None)  # every example waits for the disk
@given(st.lists(st.tuples(documents(words=COLUMN_WORDS), st.sampled_from([None, "x", "y"])), max_size=5))
def test_words_and_spans_round_trip(drawn: list[tuple[Document, str | None]]) -> None:
    documents = [
        dataclasses.replace(document, meta={} if name is None else {"document": name}) for document, name in drawn
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.conll"
        assert write_conll(path, documents) == len(documents)
        read = list(read_conll(path))
    assert [document.words for document in read] == [document.words for document in documents]
    assert [spans_to_tags(document) for document in read] == [spans_to_tags(document) for document in documents]


def test_document_starts_are_written_where_the_document_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    spans = (Span(0, 3, "LOC"),)
    write_conll(
        path,
        [
            from_words("1", ["one"], meta={"document": "x"}),
            from_words("2", ["two"], spans, {"document": "x"}),
            from_words("3", ["three"], meta={"document": "y"}),
        ],
    )
    assert path.read_text() == ("-DOCSTART-\tO\n\none\tO\n\ntwo\tB-LOC\n\n-DOCSTART-\tO\n\nthree\tO\n\n")
    assert [document.meta["document"] for document in read_conll(path)] == ["a#0", "a#0", "a#1"]


@pytest.mark.parametrize(
    "document",
    [
        Document("s", "New York", ((0, 8),)),
        Document("s", "New\nYork", ((0, 8),)),
        from_words("s", ["-DOCSTART-"]),
        from_words("s", []),
        from_words("s", ["a"], (Span(0, 1, "two words"),)),
    ],
)
def test_what_columns_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path, document: Document) -> None:
    with pytest.raises(InputError, match=r"sentence 's' has .* CoNLL columns cannot hold; write JSON lines"):
        write_conll(tmp_path / "a.conll", [from_words("r", ["fine"]), document])
    assert list(tmp_path.iterdir()) == []


def test_real_files_read_whole(shared: Path) -> None:
    dev = list(read_conll(shared / "data" / "conll2003" / "dev.conll"))
    assert len(dev) == 3250
    assert len({document.meta["document"] for document in dev}) == 216
    assert sum(len(document.spans) for document in dev) == 5942
    # Its sentence breaks are lines with a single tab.
    assert sum(1 for _ in read_conll(shared / "data" / "wnut17" / "train.conll")) == 3394
