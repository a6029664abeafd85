"""`nerkd run`: a whole experiment."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="run")
@click.argument("experiment", type=PATH)
@click.option("--train/--no-train", default=True, help="Without: write the results of the students there are.")
@overrides
def command(experiment: Path, train: bool, overrides: tuple[str, ...]) -> None:
    """Run what is missing of EXPERIMENT (YAML): annotate, train, score; end with tables and figures.

    Started again, it goes on from what is stored in the output folder. Students are trained side by side, one a GPU or
    core (setting `workers`).
    """
    from nerkd_local.config.experiment import load_experiment
    from nerkd_local.pipeline import run_experiment

    settings = load_experiment(experiment, overrides)
    click.echo(run_experiment(settings, say=lambda line: click.echo(line, err=True), train=train))
