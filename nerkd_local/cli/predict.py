"""`nerkd predict`: a corpus, or one sentence, through a trained student."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, corpus_format


@click.command(name="predict")
@click.argument("student", type=PATH)
@click.argument("corpus", type=PATH)
@click.option("--output", type=PATH, required=True, help="Labelled documents: .jsonl, or .conll for columns.")
@corpus_format
def command(student: Path, corpus: Path, output: Path, format: str, encoding: str) -> None:
    """Label CORPUS with the trained STUDENT (a model folder).

    Long texts are read in windows of the sizes that the student was trained with.
    """
    from tqdm import tqdm

    from nerkd_local.corpus.conll import write_conll
    from nerkd_local.corpus.jsonl import write_documents
    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.errors import InputError
    from nerkd_local.files import local_model
    from nerkd_local.settings import make_settings
    from nerkd_local.student.model import load_trained
    from nerkd_local.student.predict import predict

    if output.suffix not in (".jsonl", ".conll"):
        raise InputError("the output's extension must be .jsonl or .conll", path=output)
    source = make_settings(CorpusSettings, path=corpus, format=format, encoding=encoding)
    model, tokenizer = load_trained(local_model(student))
    predictions = tqdm(predict(model, tokenizer, read_corpus(source)), unit="sentence")

    if output.suffix == ".conll":
        count = write_conll(output, (prediction.document for prediction in predictions))
    else:
        count = write_documents(output, (prediction.tagged_document for prediction in predictions))
    click.echo(f"{count:,} sentences -> {output}")
