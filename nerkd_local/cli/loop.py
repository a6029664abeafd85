"""`nerkd loop`: annotate, train, ask again, train."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="loop")
@click.argument("loop", type=PATH)
@overrides
def command(loop: Path, overrides: tuple[str, ...]) -> None:
    """Go through the rounds of LOOP (YAML) until one gains too little for its time; print what each gave.

    Where a person is asked, it writes the questions and ends with 3. Started again, it goes on from what is stored
    in the output folder.
    """
    from nerkd_local.loop.run import run_loop
    from nerkd_local.loop.settings import load_loop

    settings = load_loop(loop, overrides)
    click.echo(run_loop(settings, say=lambda line: click.echo(line, err=True)), nl=False)
    click.echo(f"rounds -> {settings.output / 'rounds.md'}", err=True)
