from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.corpus.foreign import read_foreign
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from tests.corpus.documents import documents


def file_of(folder: Path, *values: dict[str, Any]) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def only(folder: Path, value: dict[str, Any]) -> Document:
    (document,) = read_foreign(file_of(folder, value))
    return document


def test_words_alone_become_a_text_joined_by_spaces(tmp_path: Path) -> None:
    assert only(tmp_path, {"tokens": ["in", "Rome"]}) == from_words("a:0", ["in", "Rome"])


def test_words_are_placed_in_a_given_text(tmp_path: Path) -> None:
    document = only(tmp_path, {"text": " in  Rome.", "tokens": ["in", "Rome", "."], "id": "x", "meta": {"k": 1}})
    assert document == Document("x", " in  Rome.", ((1, 3), (5, 9), (9, 10)), (), {"k": 1})


def test_a_text_alone_is_tokenized(tmp_path: Path) -> None:
    assert only(tmp_path, {"text": "in Rome."}).words == ["in", "Rome", "."]


def test_tokens_are_cut_where_a_span_ends_inside_one(tmp_path: Path) -> None:
    document = only(tmp_path, {"text": "U.S.-based AB", "spans": [[12, 13, "Y"], [0, 4, "LOC"]]})
    assert document.words == ["U.S.", "-based", "A", "B"]
    assert document.spans == (Span(0, 4, "LOC"), Span(12, 13, "Y"))


@pytest.mark.parametrize(
    "tags", [["B-PER", "B-PER", "O"], ["I-PER", "B-PER", "O"], ["S-PER", "S-PER", "O"]], ids=["2", "1", "S"]
)
def test_tags_of_any_scheme_become_spans(tmp_path: Path, tags: list[str]) -> None:
    document = only(tmp_path, {"tokens": ["Ada", "Bo", "go"], "tags": tags})
    assert document.spans == (Span(0, 3, "PER"), Span(4, 6, "PER"))


def test_the_scheme_is_that_of_the_whole_file(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"tokens": ["a"], "tags": ["I-X"]}, {"tokens": ["a"]}, {"tokens": ["b"], "tags": ["B-X"]})
    with pytest.raises(InputError, match=r"a.jsonl:1: the tags mix schemes"):
        list(read_foreign(path))
    assert [len(document.spans) for document in read_foreign(path, scheme="IOB1")] == [1, 0, 1]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "neither a text nor a list of words"),
        ({"tokens": []}, "neither a text nor a list of words"),
        ({"tokens": [[0, 1]]}, "neither a text nor a list of words"),
        ({"tokens": ["a", ""]}, "'tokens' is '', not a string with something in it"),
        ({"tokens": ["a", 1]}, "'tokens' is 1, not a string"),
        ({"text": " "}, "no words"),
        ({"text": "a b", "tokens": ["a", "c"]}, "word 1, 'c', does not stand at offset 2 of the text"),
        ({"text": "a b", "tokens": ["a"]}, "the text goes on after the last word, at offset 1"),
        ({"text": "a", "tokens": [[0, 2]]}, "outside the text"),
        ({"text": "a", "tokens": {}}, "'tokens' is {}, not a list"),
        (
            {"text": "a b", "tokens": ["a", "b"], "spans": [[0, 2, "X"]]},
            "does not begin and end on token borders",
        ),
        ({"text": "ab", "spans": [[0, 2, "X"], [1, 2, "Y"]]}, "overlap; set nested: outermost or innermost"),
        ({"text": "ab", "spans": [[0, 3, "X"]]}, "ends after the text"),
        ({"tokens": ["a"], "tags": ["O", "O"]}, "2 tags for 1 tokens"),
        ({"tokens": ["a"], "tags": "O"}, "'tags' is not a list of strings"),
        ({"tokens": ["a"], "tags": None}, "'tags' is not a list of strings"),
        ({"tokens": ["a"], "tags": ["O"], "spans": []}, "both spans and tags"),
        ({"tokens": ["a"], "ner_tags": [0]}, "unknown key 'ner_tags' .did you mean 'tags'"),
        ({"tokens": ["a"], "id": 3}, "'id' is 3, not a string"),
        ({"tokens": ["a"], "id": "a:0"}, "its id is already used in line 1"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_line(
    tmp_path: Path, value: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=f"a.jsonl:2: .*{problem}"):
        list(read_foreign(file_of(tmp_path, {"tokens": ["fine"]}, value)))


def test_a_tag_that_is_none_is_refused_at_its_line(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"tokens": ["fine"], "tags": ["O"]}, {"tokens": ["a"], "tags": ["PER"]})
    with pytest.raises(InputError, match=r"a.jsonl:2: 'PER' is no IOB1, IOB2 or BIOES tag"):
        list(read_foreign(path))
    with pytest.raises(InputError, match=r"a.jsonl:2: 'PER' is no IOB1, IOB2 or BIOES tag"):
        list(read_foreign(path, scheme="IOB2"))


@settings(deadline=None)  # every example waits for the disk
@given(document=documents())
def test_the_own_format_reads_the_same_here(tmp_path_factory: pytest.TempPathFactory, document: Document) -> None:
    path = tmp_path_factory.getbasetemp() / "own.jsonl"
    write_documents(path, [document])
    assert list(read_foreign(path)) == list(read_documents(path)) == [document]


def test_recorded_answers_are_passed_over(shared: Path) -> None:
    dev = list(read_foreign(shared / "data" / "recorded" / "conll2003_dev.jsonl"))
    assert len(dev) == 3250
    assert dev[0].words[:3] == ["CRICKET", "-", "LEICESTERSHIRE"]


@settings(deadline=None)
@given(st.text(max_size=20).filter(lambda line: "\n" not in line))
def test_any_line_is_read_or_refused_with_its_place(tmp_path_factory: pytest.TempPathFactory, line: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text(line, encoding="utf-8", errors="replace", newline="")
    try:
        list(read_foreign(path))
    except InputError as error:
        place = (error.path, error.line)
    else:
        place = (path, 1)
    assert place == (path, 1)
