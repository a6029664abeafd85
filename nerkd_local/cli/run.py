"""`nerkd run`: a whole experiment."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="run")
@click.argument("experiment", type=PATH)
@overrides
def command(experiment: Path, overrides: tuple[str, ...]) -> None:
    """Run what is missing of EXPERIMENT (YAML): annotate, train, score; end with a table and a figure.

    Started again, it goes on from what is stored in the output folder.
    """
    from nerkd_local.config.experiment import ExperimentSettings
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.pipeline import run_experiment
    from nerkd_local.settings import load_settings

    settings = load_settings(
        ExperimentSettings, experiment, overrides, named={"annotator": configs_folder("annotators")}
    )
    click.echo(run_experiment(settings, say=lambda line: click.echo(line, err=True)))
