"""Labels in other formats say what annotations.jsonl says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from nerkd_local.annotate import exports
from nerkd_local.annotate.exports import check_exports, export_labels, write_parquet
from nerkd_local.corpus.conll import read_conll
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from nerkd_local.store.seal import break_seal, check_seal, read_seal, seal_folder
from tests.conftest import missing


def annotated(id: str, words: list[str], *spans: Span, status: str = "annotated", **mentions: int) -> Document:
    return from_words(id, words, spans, meta={"status": status, "mentions": mentions, "line": 3})


DOCUMENTS = [
    annotated("a:0", ["Ann", "saw", "Zoë", "😀"], Span(0, 3, "PER"), Span(8, 11, "PER"), accepted=2, hallucinated=1),
    annotated("a:1", ["It", "rained"]),
    annotated("a:2", ["Bonn"], status="truncated", truncated=3),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_documents(tmp_path / "annotations.jsonl", DOCUMENTS)
    return tmp_path


@pytest.fixture
def needs_pyarrow() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        missing("pyarrow is not installed")


def test_columns_leave_out_what_has_no_usable_answer_and_say_so(folder: Path) -> None:
    said: list[str] = []
    export_labels(folder, ["conll"], said.append)
    assert (folder / "annotations.conll").read_text() == "Ann\tB-PER\nsaw\tO\nZoë\tB-PER\n😀\tO\n\nIt\tO\nrained\tO\n\n"
    assert said == [
        "2 sentences -> annotations.conll; left out: 1 without a usable answer (see meta.status in annotations.jsonl)"
    ]
    assert [len(document.spans) for document in read_conll(folder / "annotations.conll")] == [2, 0]


@pytest.mark.usefixtures("needs_pyarrow")
def test_parquet_holds_every_sentence_with_what_became_of_it(folder: Path) -> None:
    import pyarrow.parquet as pq

    export_labels(folder, ["parquet"], lambda line: None)
    table = pq.read_table(folder / "annotations.parquet")
    assert [str(field.type) for field in table.schema] == [
        "string",
        "string",
        "list<element: struct<start: int32, end: int32>>",
        "list<element: struct<start: int32, end: int32, label: string>>",
        "string",
        "map<string, int64 ('mentions')>",
    ]
    assert table.to_pylist() == [
        {
            "id": document.id,
            "text": document.text,
            "tokens": [{"start": start, "end": end} for start, end in document.tokens],
            "spans": [{"start": s.start, "end": s.end, "label": s.label} for s in document.spans],
            "status": document.meta["status"],
            "mentions": sorted(document.meta["mentions"].items()),
        }
        for document in DOCUMENTS
    ]


@pytest.mark.usefixtures("needs_pyarrow")
def test_parquet_is_written_in_row_groups_and_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(exports, "ROW_GROUP", 2)
    for name in ("one", "two"):
        assert write_parquet(tmp_path / name, iter(DOCUMENTS)) == (3, 0)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    read = pq.ParquetFile(tmp_path / "one")
    assert [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)] == [2, 1]
    read.close()
    assert write_parquet(tmp_path / "none", iter([])) == (0, 0)
    assert pq.read_table(tmp_path / "none").num_rows == 0


def test_a_sealed_folder_stays_sealed_with_the_new_file(folder: Path) -> None:
    export_labels(folder, ["conll"], lambda line: None)
    assert read_seal(folder) is None
    seal_folder(folder, ["annotations.jsonl"])
    export_labels(folder, ["conll"], lambda line: None)
    assert set(read_seal(folder) or ()) == {"annotations.jsonl", "annotations.conll"}
    check_seal(folder)
    break_seal(folder)


def test_what_columns_cannot_hold_leaves_no_file(folder: Path) -> None:
    write_documents(folder / "annotations.jsonl", [*DOCUMENTS[:2], annotated("a:3", ["no\u00a0break", "a b"])])
    with pytest.raises(InputError, match=r"sentence 'a:3' has the word or label 'a b'.*; write JSON lines"):
        export_labels(folder, ["conll"], pytest.fail)
    assert [path.name for path in folder.iterdir()] == ["annotations.jsonl"]


def test_a_folder_without_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"annotations\.jsonl: no such file"):
        export_labels(tmp_path, ["conll"], pytest.fail)


def test_without_pyarrow_one_line_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "find_spec", lambda name: None)
    check_exports(["conll"])
    with pytest.raises(InputError, match=r"^the package pyarrow is needed .*; install nerkd-local\[parquet\]$"):
        export_labels(folder, ["conll", "parquet"], pytest.fail)
    assert not (folder / "annotations.conll").exists()
