"""`nerkd annotate`: a corpus through an annotator."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, corpus_format, export_formats, overrides


@click.command(name="annotate")
@click.argument("annotator")
@click.argument("corpus", type=PATH)
@click.option("--output", type=PATH, required=True, help="Folder for the store, the labels and the ledger.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many sentences.")
@click.option("--examples", type=PATH, help="Human-labelled corpus to draw the prompt's worked examples from.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the worked examples.")
@click.option(
    "--shard", metavar="I/N", help="Only this part of CORPUS, into OUTPUT/shard-I-of-N; see nerkd store merge."
)
@click.option("--scratch", type=PATH, help="Local folder to work in; what is stored is copied to OUTPUT at the end.")
@click.option("--plan", "plan", type=click.IntRange(1), is_flag=False, flag_value=64, metavar="[COUNT]",
              help="Ask about 64 sentences (or COUNT) and predict what the rest takes.")  # fmt: skip
@export_formats("--export")
@corpus_format
@overrides
def command(
    annotator: str,
    corpus: Path,
    output: Path,
    limit: int | None,
    examples: Path | None,
    seed: int,
    shard: str | None,
    scratch: Path | None,
    plan: int | None,
    exports: tuple[str, ...],
    format: str,
    encoding: str,
    overrides: tuple[str, ...],
) -> None:
    """Label CORPUS with ANNOTATOR (a name in configs/annotators, or a YAML file).

    Labels that CORPUS carries are not looked at. Started again, it asks only what is not stored yet. What is finished
    is sealed: `sha256sum -c SHA256SUMS` in OUTPUT checks it.
    """
    from nerkd_local.annotate.command import AnnotateCommand
    from nerkd_local.annotate.selection import Selection
    from nerkd_local.annotate.settings import AnnotatorSettings
    from nerkd_local.annotate.shards import parse_shard
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.settings import find_named, load_settings, make_settings

    if shard and (plan or exports):
        raise click.UsageError(
            "a shard has no forecast or labels of its own: leave out --shard, or export when merging"
        )
    settings = load_settings(AnnotatorSettings, find_named(annotator, configs_folder("annotators")), overrides)
    selection = make_settings(
        Selection, corpus=corpus, format=format, encoding=encoding, limit=limit, examples=examples, seed=seed
    )
    command = AnnotateCommand(
        settings=settings,
        selection=selection,
        output=output,
        scratch=scratch,
        exports=exports,
        say=lambda line: click.echo(line, err=True),
    )
    if shard:
        click.echo(command.annotate_shard(parse_shard(shard)))
    elif plan:
        click.echo(command.plan(plan))
    else:
        click.echo(command.annotate())
        click.echo(f"labels -> {output / 'annotations.jsonl'}", err=True)
