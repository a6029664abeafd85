from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.corpus.jsonl import document_from_json, document_to_json, read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span
from tests.corpus.documents import documents

GOOD: dict[str, Any] = {"id": "a", "text": "Ada L.", "tokens": [[0, 3], [4, 6]]}


def test_the_json_of_a_document_is_what_the_format_says() -> None:
    document = Document("a:0", "in Rome", ((0, 2), (3, 7)), (Span(3, 7, "LOC"),), {"line": 3})
    assert document_to_json(document) == {
        "id": "a:0",
        "text": "in Rome",
        "tokens": [[0, 2], [3, 7]],
        "spans": [[3, 7, "LOC"]],
        "meta": {"line": 3},
    }


@settings(deadline=None)  # every example waits for the disk
@given(st.lists(documents(), max_size=4))
def test_documents_read_back_equal(documents: list[Document]) -> None:
    documents = [dataclasses.replace(document, id=f"a:{n}") for n, document in enumerate(documents)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        assert write_documents(path, documents) == len(documents)
        assert list(read_documents(path)) == documents


def test_spans_and_meta_may_be_absent() -> None:
    assert document_from_json(GOOD) == Document("a", "Ada L.", ((0, 3), (4, 6)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": None}, "'id' is None, not a string"),
        ({"id": ""}, "'id' is '', not a string with something in it"),
        ({"text": 3}, "'text' is 3, not a string"),
        ({"tokens": "Ada"}, r"'tokens' is 'Ada', not a list of \[start, end\]"),
        ({"tokens": [[0, 3, 4]]}, r"the token \[0, 3, 4\] is not"),
        ({"tokens": [[False, True]]}, r"the token \[False, True\] is not"),
        ({"tokens": [[0.0, 3]]}, r"the token \[0.0, 3\] is not"),
        ({"tokens": [[0, 7]]}, r"token \(0, 7\) is empty, out of order or outside the text \(length 6\)"),
        ({"spans": [[0, 3]]}, r"the span \[0, 3\] is not \[start, end, label\]"),
        ({"spans": [[0, 3, ""]]}, "is not"),
        ({"spans": {}}, "'spans' is {}, not a list"),
        ({"spans": [[0, 2, "PER"]]}, "does not begin and end on token borders"),
        ({"spans": [[0, 9, "PER"]]}, "ends after the text"),
        ({"meta": []}, r"'meta' is \[\], not an object"),
        ({"mata": {}}, r"unknown key 'mata' \(did you mean 'meta'\?\)"),
    ],
)
def test_what_is_no_document_is_refused_with_file_and_line(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=f"^a.jsonl:7: .*{problem}"):
        document_from_json({**GOOD, **change}, path="a.jsonl", line=7)


@pytest.mark.parametrize("key", ["id", "text", "tokens"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(InputError, match=f"the key '{key}' is missing"):
        document_from_json({name: value for name, value in GOOD.items() if name != key})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": "b", "id": "c"}', "a key is repeated"),
        ('{"id": "b", "meta": {"x": NaN}}', "NaN is not a JSON number"),
        ('{"id": "b", "meta": {"x": 1e999}}', "1e999 is too large"),
        ('{"id": "\\ud800"}', "a lone surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "a JSON list"),
        ("{", "not valid JSON"),
        (json.dumps(GOOD), "its id is already used in line 1"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n")
    with pytest.raises(InputError, match=f"a.jsonl:3: .*{problem}"):
        list(read_documents(path))


def test_escaped_pairs_are_characters_not_surrogates(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "text": "\\ud83d\\ude00", "tokens": [[0, 1]]}\n')
    assert [document.text for document in read_documents(path)] == ["😀"]


def test_reading_is_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GOOD) + "\nbroken\n")
    assert next(read_documents(path)).id == "a"


def test_nothing_is_left_of_a_file_whose_documents_fail(tmp_path: Path) -> None:
    def failing() -> Any:
        yield document_from_json(GOOD)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_documents(tmp_path / "a.jsonl", failing())
    assert list(tmp_path.iterdir()) == []


@given(st.text(), st.integers() | st.booleans() | st.none() | st.lists(st.integers()))
def test_any_value_under_any_key_is_an_input_error_or_a_document(key: str, value: Any) -> None:
    try:
        document_from_json({**GOOD, key: value})
    except InputError:
        pass
    else:
        assert key in GOOD or key in ("spans", "meta")
