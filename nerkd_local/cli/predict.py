"""`nerkd predict`: a sentence, a file or a folder of text, or a corpus, through a trained student."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nerkd_local.cli.options import PATH, corpus_format

if TYPE_CHECKING:
    from nerkd_local.records import Document

_KINDS = {".jsonl": "jsonl", ".conll": "conll"}
_TEXT_NAME = "text"


@click.command(name="predict")
@click.argument("student", type=PATH)
@click.argument("given", metavar="[INPUT]", required=False)
@click.option("--text", help="Label these words themselves, instead of INPUT.")
@click.option("--output", type=PATH, help="Write there: .jsonl, or .conll for columns.")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["terminal", "jsonl", "conll"]),
    help="What to write; without it, goes by the extension of --output, else terminal.",
)
@corpus_format
def command(
    student: Path,
    given: str | None,
    text: str | None,
    output: Path | None,
    kind: str | None,
    format: str,
    encoding: str,
) -> None:
    """Label INPUT with the trained STUDENT (a model folder).

    INPUT is a file (text, columns or JSON lines), a folder of texts, - for text on standard input, or, where it
    holds a space and is no path, a sentence or several. Without --output the result is shown, entities marked
    with their confidence, in colours on a terminal (NO_COLOR turns them off).

    JSON lines hold one sentence each: spans are offsets into its text, meta.confidences says how sure the
    student is of each, and of text meta.document and meta.offset say where the sentence stands in the original.
    Long texts are read in windows of the sizes that the student was trained with. Beside --output stands
    OUTPUT.made-from.json, with the student's hash.
    """
    from tqdm import tqdm

    from nerkd_local.files import atomic_writer, local_model, write_json
    from nerkd_local.fingerprints import digest_file, digest_folder
    from nerkd_local.software import describe_software

    kind = _kind(output, kind)
    documents, origin = _documents(given, text, format, encoding)
    local_model(student)  # looked at before the libraries that read it are loaded, which takes seconds

    from nerkd_local.student.model import load_trained
    from nerkd_local.student.predict import predict

    model, tokenizer = load_trained(student)
    labelled = (prediction.tagged_document for prediction in predict(model, tokenizer, documents))
    if output is None:
        _show(labelled, kind, headings=origin != _TEXT_NAME)
        return
    count = 0

    def counted() -> Iterator[Document]:
        nonlocal count
        for document in tqdm(labelled, unit="sentence", disable=None):
            count += 1
            yield document

    with atomic_writer(output) as stream:
        stream.writelines(_blocks(counted(), kind, color=False, headings=origin != _TEXT_NAME))
    made_from = {
        "student_sha256": digest_folder(student),
        "output_sha256": digest_file(output),
        "sentences": count,
        "made_with": describe_software(("torch", "transformers")),
    }
    write_json(output.with_name(f"{output.name}.made-from.json"), made_from)
    click.echo(f"{count:,} {'sentence' if count == 1 else 'sentences'} of {origin} -> {output}")


def _documents(given: str | None, text: str | None, format: str, encoding: str) -> tuple[Iterator[Document], str]:
    """The sentences to label, and what to call the place they come from."""
    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.errors import InputError
    from nerkd_local.settings import make_settings

    if (given is None) == (text is None):
        raise InputError("give either INPUT (a file, a folder, - or a sentence) or --text, and only one of them")
    if text is None and given is not None and given != "-" and not os.path.exists(given):
        text = _sentence(given)
    if text is not None:
        if format not in ("auto", "text") or encoding != "utf-8":
            raise InputError("--format and --encoding are for files, and this is text; leave them out")
        return _split(text), _TEXT_NAME
    if given == "-":
        if format not in ("auto", "text"):
            raise InputError(f"standard input is read as text; give a file for --format {format}")
        given, format = "/dev/stdin", "text"
    source = make_settings(CorpusSettings, path=Path(str(given)), format=format, encoding=encoding)
    return read_corpus(source), str(given)


def _sentence(given: str) -> str:
    """What is no path, if it reads like a sentence and not like a path that was mistyped."""
    from nerkd_local.corpus.readers import EXTENSIONS
    from nerkd_local.errors import InputError

    path_like = given.startswith(("/", "./", "../", "~")) or given.endswith((*EXTENSIONS, "/"))
    if path_like or not any(map(str.isspace, given)):
        raise InputError("no such file or folder; to label these words themselves, give them with --text", path=given)
    return given


def _split(text: str) -> Iterator[Document]:
    from nerkd_local.corpus.text import split_text
    from nerkd_local.errors import InputError

    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("the text is not in the encoding of this terminal; put it into a file") from None
    if not text.strip():
        raise InputError("the text holds no word")
    return split_text(text, name=_TEXT_NAME)


def _kind(output: Path | None, wanted: str | None) -> str:
    from nerkd_local.errors import InputError

    if output is None:
        return wanted or "terminal"
    said = _KINDS.get(output.suffix)
    if wanted is None and said is None:
        raise InputError("the output's extension must be .jsonl or .conll, or say with --to what to write", path=output)
    if wanted and said and wanted != said:
        raise InputError(f"its extension says {said} and --to {wanted}; leave one of them out", path=output)
    return wanted or said or ""


def _blocks(documents: Iterable[Document], kind: str, *, color: bool, headings: bool) -> Iterator[str]:
    """What is written, in pieces that end with a line, one or more for each sentence."""
    from nerkd_local.corpus.conll import format_columns
    from nerkd_local.corpus.jsonl import document_to_json
    from nerkd_local.files import json_line
    from nerkd_local.report.highlight import highlight, highlight_corpus

    if kind == "jsonl":
        return (json_line(document_to_json(document)) for document in documents)
    if kind == "conll":
        return format_columns(documents)
    if headings:
        return highlight_corpus(documents, color=color)
    return (f"{highlight(document, color=color)}\n" for document in documents)


def _show(documents: Iterable[Document], kind: str, *, headings: bool) -> None:
    """Write to standard output as the sentences come: for a terminal nothing it would act on, else UTF-8."""
    from nerkd_local.report.highlight import visible

    terminal = sys.stdout.isatty()
    color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for block in _blocks(documents, kind, color=color, headings=headings):
        if terminal and kind != "terminal":
            block = visible(block, keep="\n\t")
        click.echo(block.encode("utf-8", "backslashreplace"), nl=False)
