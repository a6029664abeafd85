"""Labels in other formats, made from `annotations.jsonl`, which has everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.corpus.conll import write_conll
from nerkd_local.corpus.jsonl import document_from_json
from nerkd_local.errors import InputError
from nerkd_local.files import atomic_binary_writer, existing_file, read_json_lines
from nerkd_local.records import Document
from nerkd_local.store.seal import add_to_seal

ROW_GROUP = 8192
"""Sentences of a Parquet row group: what is held in memory at a time."""


def check_exports(formats: Iterable[str]) -> None:
    """Raise InputError if a format cannot be written here."""
    if "parquet" in formats and find_spec("pyarrow") is None:
        raise InputError("the package pyarrow is needed to write Parquet; install nerkd-local[parquet]")


def export_labels(folder: Path, formats: Sequence[str], say: Callable[[str], None]) -> None:
    """Write the folder's `annotations.jsonl` as `annotations.conll` or `annotations.parquet` beside it, atomically.

    Says how many sentences each has. A sealed folder stays sealed, with the new files. Raises InputError as
    `document_from_json`, `write_conll` and `check_exports` do.
    """
    check_exports(formats)
    source = existing_file(folder / "annotations.jsonl")
    for format in formats:
        target = source.with_suffix(f".{format}")
        with add_to_seal(target):
            written, left_out = _WRITERS[format](target, _labelled(source))
        unsaid = f"; left out: {left_out:,} without a usable answer (see meta.status in {source.name})"
        say(f"{written:,} sentences -> {target.name}{unsaid if left_out else ''}")


def _write_columns(path: Path, documents: Iterator[Document]) -> tuple[int, int]:
    """CoNLL columns. They have no place for a status, and a row of O would say that a text has no names: so a sentence
    without a usable answer is left out.
    """
    left_out = 0

    def usable() -> Iterator[Document]:
        nonlocal left_out
        for document in documents:
            if is_usable(document):
                yield document
            else:
                left_out += 1

    return write_conll(path, usable()), left_out


def write_parquet(path: Path, documents: Iterator[Document]) -> tuple[int, int]:
    """A Parquet file of one row a document; returns how many, and 0 for those left out.

    Columns: `id`, `text`, `tokens` (start, end), `spans` (start, end, label), `status` (see `SentenceState`) and
    `mentions` (how many came to which state). Offsets are half-open and count code points. The same documents give
    the same bytes under one version of pyarrow. Memory holds one row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # two billion code points are no sentence: 32 bits are enough for offsets
    borders = [("start", pa.int32()), ("end", pa.int32())]
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("tokens", pa.list_(pa.struct(borders)), nullable=False),
            pa.field("spans", pa.list_(pa.struct([*borders, ("label", pa.string())])), nullable=False),
            pa.field("status", pa.string()),
            pa.field("mentions", pa.map_(pa.string(), pa.int64())),
        ]
    )
    count = 0
    with atomic_binary_writer(path) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        while rows := [_row(document) for document in islice(documents, ROW_GROUP)]:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema), row_group_size=ROW_GROUP)
            count += len(rows)
    return count, 0


def _row(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "text": document.text,
        "tokens": [{"start": start, "end": end} for start, end in document.tokens],
        "spans": [{"start": span.start, "end": span.end, "label": span.label} for span in document.spans],
        "status": document.meta.get("status"),
        "mentions": sorted(document.meta.get("mentions", {}).items()),
    }


def _labelled(path: Path) -> Iterator[Document]:
    """The documents of a file that this package wrote: ids are not compared again, so memory does not grow."""
    for line, value in read_json_lines(path):
        yield document_from_json(value, path=path, line=line)


_WRITERS: dict[str, Callable[[Path, Iterator[Document]], tuple[int, int]]] = {
    "conll": _write_columns,
    "parquet": write_parquet,
}
