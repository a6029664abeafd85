"""`nerkd annotate`: a corpus through an annotator."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from nerkd_local.cli.options import PATH, corpus_format, overrides


@click.command(name="annotate")
@click.argument("annotator")
@click.argument("corpus", type=PATH)
@click.option("--output", type=PATH, required=True, help="Folder for the store, the labels and the ledger.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many sentences.")
@click.option("--examples", type=PATH, help="Human-labelled corpus to draw the prompt's worked examples from.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the worked examples.")
@corpus_format
@overrides
def command(
    annotator: str,
    corpus: Path,
    output: Path,
    limit: int | None,
    examples: Path | None,
    seed: int,
    format: str,
    encoding: str,
    overrides: tuple[str, ...],
) -> None:
    """Label CORPUS with ANNOTATOR (a name in configs/annotators, or a YAML file).

    Labels that CORPUS carries are not looked at. Started again, it asks only what is not stored yet.
    """
    from nerkd_local.annotate.engines.start import LazyEngine, check_engine
    from nerkd_local.annotate.folder import annotate_folder, write_corpus
    from nerkd_local.annotate.ledger import describe
    from nerkd_local.annotate.settings import AnnotatorSettings
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.corpus.checks import check_labels
    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.files import write_json
    from nerkd_local.settings import find_named, load_settings, make_settings, save_settings

    # everything that can be wrong is looked at before anything is written
    settings = load_settings(AnnotatorSettings, find_named(annotator, configs_folder("annotators")), overrides)
    if not (output / "ledger.json").exists():  # a finished annotation needs its engine no more
        check_engine(settings.engine)
    source = make_settings(CorpusSettings, path=corpus, format=format, encoding=encoding)
    pool = list(read_corpus(CorpusSettings(path=examples))) if examples else []
    if examples:
        check_labels(pool, settings.labels, examples)
    write_corpus(output / "corpus.jsonl", islice(read_corpus(source), limit))
    save_settings(settings, output / "annotator.yaml")
    selection = {"corpus": corpus, "format": format, "encoding": encoding, "limit": limit}
    selection |= {"examples": examples, "seed": seed}
    write_json(output / "selection.json", {key: str(v) if isinstance(v, Path) else v for key, v in selection.items()})
    with LazyEngine(settings.engine) as engine:
        click.echo(describe(annotate_folder(output / "corpus.jsonl", output, settings, engine, pool, seed=seed)))
    click.echo(f"labels -> {output / 'annotations.jsonl'}", err=True)
