"""`nerkd convert`: one corpus format into another."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, corpus_format


@click.command(name="convert")
@click.argument("corpus", type=PATH)
@click.argument("output", type=PATH)
@click.option(
    "--scheme",
    type=click.Choice(["auto", "IOB1", "IOB2", "BIOES"]),
    default="auto",
    show_default=True,
    help="Tag scheme of CORPUS; auto finds it out. IOB2 is written.",
)
@click.option("--column", type=click.IntRange(2, 4), help="Which column of CORPUS holds the tags; the last as a rule.")
@click.option(
    "--nested",
    type=click.Choice(["refuse", "outermost", "innermost"]),
    default="refuse",
    show_default=True,
    help="Which of spans that overlap are kept.",
)
@corpus_format
def command(
    corpus: Path, output: Path, scheme: str, column: int | None, nested: str, format: str, encoding: str
) -> None:
    """Write CORPUS (columns, JSON lines, text or a folder of texts) as OUTPUT (.conll or .jsonl)."""
    from nerkd_local.corpus.conll import write_conll
    from nerkd_local.corpus.jsonl import write_documents
    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.errors import InputError
    from nerkd_local.settings import make_settings

    writers = {".conll": write_conll, ".jsonl": write_documents}
    if output.suffix not in writers:
        raise InputError("the output's extension must be .conll or .jsonl", path=output)
    how = {"format": format, "encoding": encoding, "scheme": scheme, "column": column, "nested": nested}
    settings = make_settings(CorpusSettings, path=corpus, **how)
    count = writers[output.suffix](output, read_corpus(settings))
    click.echo(f"{count:,} sentences -> {output}")
