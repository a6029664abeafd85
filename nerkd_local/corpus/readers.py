"""One way in for every kind of corpus: columns, JSON lines, text files and folders of them."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

from nerkd_local.corpus.conll import read_conll
from nerkd_local.corpus.foreign import read_foreign
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.corpus.text import read_text_documents
from nerkd_local.errors import InputError, nearest
from nerkd_local.files import existing_file
from nerkd_local.records import Document

Format = Literal["conll", "jsonl", "text"]

EXTENSIONS: Mapping[str, Format] = {
    ".conll": "conll",
    ".tsv": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".jsonl": "jsonl",
    ".txt": "text",
}
"""What a file's extension says about it."""


def read_corpus(settings: CorpusSettings) -> Iterator[Document]:
    """The sentences of a corpus, in file order, as a stream; ids are unique within it.

    Format "auto" goes by extension: .conll .tsv .bio .iob are columns, .jsonl JSON lines, .txt and folders
    text. Of a folder all `*.txt` files below it are read (that spelling only: README.TXT is not one), in the
    order of their paths relative to it, which also begin the ids. What ids and `meta` hold otherwise, and how
    much memory a stream needs, is said where each format is read: `conll`, `foreign`, `text`.

    Raises InputError, some only when the stream gets there: no such path, an unknown extension, settings that
    do not go with the format, a corpus without any sentence, and everything the formats' readers refuse.
    """
    return _not_empty(_reader(settings)(settings), settings.path)


def _reader(settings: CorpusSettings) -> Callable[[CorpusSettings], Iterator[Document]]:
    path = settings.path
    if path.is_dir():
        if settings.format not in ("auto", "text"):
            raise InputError(f"is a folder; format {settings.format} is read from a file", path=path)
        return _read_text_folder
    existing_file(path)
    if settings.encodings:
        raise InputError("is a file; `encodings` is for folders, declare `encoding` instead", path=path)
    format = settings.format if settings.format != "auto" else EXTENSIONS.get(path.suffix)
    if format is None:
        problem = f"the extension {path.suffix!r} does not say what this is; declare `format`: conll, jsonl or text"
        raise InputError(problem, path=path)
    if settings.column is not None and format != "conll":
        raise InputError(f"`column` is for columns, and this is {format}; leave it out", path=path)
    if settings.wrapped and format != "text":
        raise InputError(f"`wrapped` is for text, and this is {format}; leave it out", path=path)
    return {"conll": _read_columns, "jsonl": _read_json, "text": _read_text_file}[format]


def _read_columns(settings: CorpusSettings) -> Iterator[Document]:
    return read_conll(settings.path, encoding=settings.encoding, scheme=settings.scheme, column=settings.column)


def _read_json(settings: CorpusSettings) -> Iterator[Document]:
    if codecs.lookup(settings.encoding).name != "utf-8":
        raise InputError("JSON lines are always UTF-8; convert the file and leave `encoding` out", path=settings.path)
    return read_foreign(settings.path, scheme=settings.scheme, nested=settings.nested, say=_say_once)


@cache
def _say_once(line: str) -> None:
    """Tell a person; once, as a corpus is read several times."""
    print(line, file=sys.stderr, flush=True)


def _read_text_file(settings: CorpusSettings) -> Iterator[Document]:
    return read_text_documents(
        settings.path,
        name=settings.path.name,
        encoding=settings.encoding,
        language=settings.language,
        wrapped=settings.wrapped,
    )


def _read_text_folder(settings: CorpusSettings) -> Iterator[Document]:
    files = _text_files(settings.path)
    for pattern in settings.encodings:
        if not any(fnmatchcase(name, pattern) for name in files):
            raise InputError(
                f"`encodings` names {pattern!r}, which no *.txt file matches{_hint(pattern, files)}",
                path=settings.path,
            )
    for name, path in files.items():
        matches = (value for pattern, value in settings.encodings.items() if fnmatchcase(name, pattern))
        yield from read_text_documents(
            path,
            name=name,
            encoding=next(matches, settings.encoding),
            language=settings.language,
            wrapped=settings.wrapped,
        )


def _text_files(folder: Path) -> dict[str, Path]:
    """The folder's text files by relative POSIX path, in the order of that path."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.txt") if path.is_file()}
    if not files:
        seen = sorted({path.suffix for path in folder.rglob("*") if path.suffix in EXTENSIONS})
        hint = f"it holds {', '.join(seen)} files: give the path of one" if seen else "check the path"
        raise InputError(f"holds no *.txt file; {hint}", path=folder)
    for name in files:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            problem = f"the file name {name!r} is not UTF-8, and the sentences' ids begin with it; rename the file"
            raise InputError(problem, path=folder) from None
    return dict(sorted(files.items()))


def _hint(pattern: str, files: Mapping[str, Path]) -> str:
    hint = nearest(pattern, files)
    return hint if hint.startswith(" (did") else "; check the spelling"


def _not_empty(documents: Iterator[Document], path: Path) -> Iterator[Document]:
    empty = True
    for document in documents:
        empty = False
        yield document
    if empty:
        raise InputError("holds no sentence; check the path and the format", path=path)
