"""`nerkd train`: one student, through accelerate launch."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="train")
@click.argument("config", type=PATH)
@click.option(
    "--accelerate",
    default="cpu",
    show_default=True,
    help="Which of configs/accelerate (or a YAML file) says how many processes run on what.",
)
@overrides
def command(config: Path, accelerate: str, overrides: tuple[str, ...]) -> None:
    """Train the student that CONFIG (YAML) describes on the plan it names.

    Started again after an interruption, it goes on from the newest whole checkpoint.
    """
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.files import existing_file
    from nerkd_local.settings import find_named
    from nerkd_local.train.launch import launch

    launcher = find_named(accelerate, configs_folder("accelerate"))
    sys.exit(launch(existing_file(config), launcher, overrides))
