"""`nerkd store`: what annotation left on disk, put together, looked at and handed on."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, export_formats

_SHOWN = 20


@click.group(name="store")
def command() -> None:
    """Merge, inspect, verify and export stored annotations."""


@command.command()
@click.argument("shards", type=PATH, nargs=-1, required=True)
@click.option("--output", type=PATH, required=True, help="New folder for the store, the labels and the ledger.")
@click.option("--corpus", type=PATH, help="The annotated corpus, where it is no longer where the shards read it.")
@click.option("--scratch", type=PATH, help="Local folder to work in, where OUTPUT is on a network file system.")
@export_formats("--export")
def merge(
    shards: tuple[Path, ...], output: Path, corpus: Path | None, scratch: Path | None, exports: tuple[str, ...]
) -> None:
    """Put the folders of all SHARDS of a corpus together, as an unsharded run would have left them."""
    from nerkd_local.annotate.ledger import describe
    from nerkd_local.annotate.merging import merge_shards

    ledger = merge_shards(shards, output, corpus=corpus, scratch=scratch, exports=exports, say=_say)
    click.echo(describe(ledger))
    _say(f"labels -> {output / 'annotations.jsonl'}")


@command.command()
@click.argument("path", type=PATH)
def info(path: Path) -> None:
    """Say which runs a store (a file, or a folder with one or with shards) holds, and what is in them."""
    from nerkd_local.store.inspection import describe_store, find_stores

    for store in find_stores(path):
        click.echo("\n".join(describe_store(store)))


@command.command()
@click.argument("path", type=PATH)
def verify(path: Path) -> None:
    """Check seals, structure and every row's checksum; exits with 4 where something is damaged."""
    from nerkd_local.errors import CheckFailed
    from nerkd_local.store.inspection import find_stores, verify_store

    problems = []
    for store in find_stores(path):
        found = verify_store(store)
        problems += found.problems
        sealed = f"{found.sealed} sealed files" if found.sealed else "not sealed"
        click.echo(f"{store}: {found.rows:,} rows, {sealed}, {len(found.problems):,} problems")
    if problems:
        more = [f"and {len(problems) - _SHOWN:,} more"] if len(problems) > _SHOWN else []
        raise CheckFailed("\n".join([f"{len(problems):,} problems", *problems[:_SHOWN], *more]))


@command.command()
@click.argument("folder", type=PATH)
@export_formats("--format")
def export(folder: Path, exports: tuple[str, ...]) -> None:
    """Write the labels in FOLDER (annotations.jsonl) in other formats too."""
    from nerkd_local.annotate.exports import export_labels

    if not exports:
        raise click.UsageError("name a --format")
    export_labels(folder, exports, _say)


def _say(line: str) -> None:
    click.echo(line, err=True)
