"""CoNLL columns: one word a line, its tag in the last column, a blank line after each sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from nerkd_local.corpus.schemes import Scheme, TagError, detect_scheme, spans_to_tags, tags_to_spans, to_iob2
from nerkd_local.errors import InputError
from nerkd_local.files import atomic_writer, read_lines
from nerkd_local.quoting import quoted
from nerkd_local.records import Document, from_words

_DOCUMENT_START = "-DOCSTART-"
_MAX_COLUMNS = 4
_NEVER_IN_A_WORD = frozenset(" \t\n\0")


class ColumnSentence(NamedTuple):
    """A sentence as it stands in the file. `line` (from 1) is its first word's; the others follow on."""

    line: int
    document: int
    words: list[str]
    tags: list[str] | None


def read_conll(
    path: Path, *, encoding: str = "utf-8", scheme: Literal["auto"] | Scheme = "auto", column: int | None = None
) -> Iterator[Document]:
    """The sentences of a column file, in file order, tags turned into spans.

    Ids are `<stem>:<n>`, n counting sentences from 0; `-DOCSTART-` lines are none, they count the k of
    `meta["document"]`, `<stem>#<k>`, from 0. `meta["line"]` is the first word's line. Text is the words
    joined by single spaces. One column means words without labels. The tags are those of `column`, counted from 1, or
    of the last one.

    A stream that holds one sentence; scheme "auto" reads the file once more, before, to find the scheme.
    Raises InputError with file and line for malformed lines and for tags that the scheme does not allow:
    under IOB2 an orphan I- is refused, under IOB1 it begins a mention.
    """
    if scheme == "auto":
        scheme = _scheme_of(path, encoding, column)
    for number, sentence in enumerate(read_sentences(path, encoding, column)):
        bare = from_words(
            f"{path.stem}:{number}",
            sentence.words,
            meta={"document": f"{path.stem}#{sentence.document}", "line": sentence.line},
        )
        if sentence.tags is None:
            yield bare
            continue
        try:
            spans = tags_to_spans(to_iob2(sentence.tags, scheme), bare.tokens, strict=True)
        except TagError as error:
            raise InputError(str(error), path=path, line=sentence.line + error.index) from None
        yield Document(bare.id, bare.text, bare.tokens, spans, bare.meta) if spans else bare


def read_sentences(path: Path, encoding: str = "utf-8", column: int | None = None) -> Iterator[ColumnSentence]:
    """The words and raw tags of each sentence.

    One to four columns, the same number in the whole file, parted by tabs and spaces only: other white space
    (a no-break space) belongs to the word. With two or more columns the last one is the tag, or column `column`.
    Raises InputError with file and line for another number of columns, and where there is no such column.
    """
    columns, first_line, document = 0, 0, -1
    words: list[str] = []
    tags: list[str] = []
    for number, line in read_lines(path, encoding):
        fields = [field for field in line.replace("\t", " ").split(" ") if field]
        if fields and fields[0] != _DOCUMENT_START:
            columns = columns or len(fields)
            if len(fields) != columns or columns > _MAX_COLUMNS:
                raise InputError(_columns_problem(len(fields), columns), path=path, line=number)
            if column is not None and column > columns:
                problem = (
                    f"{columns} columns, and the tags are to be in column {column}; leave `column` out, or correct it"
                )
                raise InputError(problem, path=path, line=number)
            if not words:
                first_line = number
            words.append(fields[0])
            tags.append(fields[-1 if column is None else column - 1])
            continue
        if words:
            document = max(document, 0)
            yield ColumnSentence(first_line, document, words, tags if columns > 1 else None)
            words, tags = [], []
        if fields:
            document += 1
    if words:
        yield ColumnSentence(first_line, max(document, 0), words, tags if columns > 1 else None)


def write_conll(path: Path, documents: Iterable[Document]) -> int:
    """Write words and IOB2 tags, tab between them, atomically and as they come; returns how many sentences.

    A `-DOCSTART-` line stands wherever `meta["document"]` changes. Words, labels and their order read back
    equal; a text's own spacing, ids and other meta do not fit this format (JSON lines keep them).
    Raises InputError for what would read back as something else: a sentence without words, a word or label
    with a space, tab, line break or NUL in it, the word -DOCSTART-.
    """
    count = 0
    with atomic_writer(path) as stream:
        for block in format_columns(documents):
            stream.write(block)
            count += 1
    return count


def format_columns(documents: Iterable[Document]) -> Iterator[str]:
    """What `write_conll` writes, as a stream: for each sentence its lines and all that stands before them."""
    current = None
    for number, document in enumerate(documents):
        words = document.words
        _check_columns(document, words)
        block = ""
        if document.meta.get("document") != current:
            current = document.meta.get("document")
            block = f"{_DOCUMENT_START}\tO\n\n"
        if number == 0 and words[0].startswith("\ufeff"):
            block += "\n"  # at the very start of a file it would be read as a byte order mark
        tagged = zip(words, spans_to_tags(document), strict=True)
        yield block + "".join(f"{word}\t{tag}\n" for word, tag in tagged) + "\n"


def _scheme_of(path: Path, encoding: str, column: int | None) -> Scheme:
    tags = (sentence.tags or [] for sentence in read_sentences(path, encoding, column))
    try:
        return detect_scheme(tags).scheme
    except TagError as error:
        sentence = next(islice(read_sentences(path, encoding, column), error.sentence, None))
        raise InputError(str(error), path=path, line=sentence.line + error.index) from None


def _columns_problem(seen: int, expected: int) -> str:
    if seen != expected:
        return (
            f"{seen} columns where the lines before have {expected}; "
            "a line holds a word, further columns and its tag, parted by tabs or spaces"
        )
    return f"{seen} columns; at most {_MAX_COLUMNS} are read: keep the word, and the tag as the last one"


def _check_columns(document: Document, words: list[str]) -> None:
    problem = ""
    if not words:
        problem = "has no words"
    for text in (*words, *(span.label for span in document.spans)):
        if text == _DOCUMENT_START or not _NEVER_IN_A_WORD.isdisjoint(text):
            problem = f"has the word or label {quoted(text)}"
    if problem:
        raise InputError(f"sentence {document.id!r} {problem}, which CoNLL columns cannot hold; write JSON lines")
