"""`nerkd tune`: the best annotator for a corpus, by a few human-labelled sentences."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="tune")
@click.argument("search", metavar="TUNE", type=PATH)
@overrides
def command(search: Path, overrides: tuple[str, ...]) -> None:
    """Find the best annotator of TUNE (YAML): models, prompts, formats, examples, constraints, windows.

    Ends with a table, a figure and winner.yaml, which `nerkd annotate` takes. Started again, it goes on from what is
    stored in the output folder. The sentences that may serve as worked examples are never scored.
    """
    from nerkd_local.tune.search import run_tune
    from nerkd_local.tune.settings import load_tune

    click.echo(run_tune(load_tune(search, overrides), say=lambda line: click.echo(line, err=True)))
